#pragma once

#include <fmt/format.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "base/yaml.h"
#include "local/ingress/ingress_plan.h"

namespace serin::local {

/// The documents of a YAML text, by their kinds.
inline IngressObjects objects_from(const std::string& yaml) {
  base::Result<std::vector<base::Json>> documents = base::parse_yaml(yaml);
  if (!documents) throw std::invalid_argument(documents.error().message);
  IngressObjects objects;
  for (base::Json& document : *documents) {
    const std::string kind = document["kind"].str();
    auto object = std::make_shared<const base::Json>(std::move(document));
    if (kind == "Ingress") objects.ingresses.push_back(std::move(object));
    if (kind == "IngressClass") objects.classes.push_back(std::move(object));
    if (kind == "Service") objects.services.push_back(std::move(object));
    if (kind == "EndpointSlice") objects.endpoint_slices.push_back(std::move(object));
  }
  return objects;
}

}  // namespace serin::local
