#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"

namespace serin::local {

/// One pod as Prometheus scrapes it: labels with their values, in the form of file-based discovery (the
/// names with two underscores say where to scrape).
using ScrapeTarget = std::map<std::string, std::string>;

/// One target for every pod that is pending or running and has an address, as linkerd-viz labels them
/// (spec 11 §5). `metrics_address`: host:port where the mesh serves all pages.
std::vector<ScrapeTarget> scrape_targets(const std::vector<std::shared_ptr<const base::Json>>& pods,
                                         const std::vector<std::shared_ptr<const base::Json>>& replica_sets,
                                         const std::string& metrics_address);

/// The file's text: Prometheus' JSON form of file-based discovery.
std::string target_file_text(const std::vector<ScrapeTarget>& targets);

/// Everything outside [a-zA-Z0-9_] becomes "_", as Prometheus' labelmap does.
std::string label_name(std::string_view kubernetes_label);

}  // namespace serin::local
