#include "local/ingress/nginx_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>

#include "local/ingress/request_metrics.h"

namespace serin::local {

namespace {

/// One word of NGINX's configuration, taken literally (but for variables).
std::string quoted(std::string_view text) {
  std::string word = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') word += '\\';
    word += c;
  }
  return word + '"';
}

/// A pattern that matches just this text.
std::string pattern_of(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c))) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

/// A path as metrics name it: a variable's sign would be understood by NGINX.
std::string label_of(std::string_view path) {
  std::string label(path);
  for (char& c : label) {
    if (!std::isgraph(static_cast<unsigned char>(c)) || c == '$' || c == '"' || c == '\\') c = '_';
  }
  return label;
}

constexpr std::string_view preamble = R"(user root root;
pid nginx.pid;
error_log stderr warn;
worker_processes 2;
worker_shutdown_timeout 30s;
events { worker_connections 2048; }
)";

constexpr std::string_view http_settings = R"(  client_body_temp_path tmp/body;
  proxy_temp_path tmp/proxy;
  fastcgi_temp_path tmp/fastcgi;
  uwsgi_temp_path tmp/uwsgi;
  scgi_temp_path tmp/scgi;
  server_tokens off;
  default_type text/plain;
  server_names_hash_bucket_size 512;
  server_names_hash_max_size 4096;
  map_hash_bucket_size 512;
  variables_hash_max_size 8192;
  variables_hash_bucket_size 128;
  keepalive_timeout 75s;
  proxy_http_version 1.1;
  proxy_buffering off;
  proxy_connect_timeout 5s;
  proxy_send_timeout 60s;
  map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
  map $http_host $best_host { default $http_host; "" $host; }
  map $http_x_request_id $best_request_id { default $http_x_request_id; "" $request_id; }
  map $alternative $backend { default $alternative; "" $main; }
  uninitialized_variable_warn off;
)";

constexpr std::string_view proxy_headers = R"(      proxy_set_header Host $best_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Request-ID $best_request_id;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $best_host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Scheme $scheme;
      proxy_set_header X-Scheme $scheme;
)";

class Writer {
 public:
  explicit Writer(const IngressPlan& plan) : plan_(plan) {}

  std::string write(int serial) {
    line("# {}", serial);
    out_ += preamble;
    line("http {{");
    out_ += http_settings;
    write_log();
    for (const auto& [key, upstream] : plan_.upstreams) write_upstream(key, upstream);
    write_server({}, true);
    for (const VirtualServer& server : plan_.servers) {
      if (!server.host.empty()) write_server(server, false);
    }
    line("}}");
    return std::move(out_);
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), text, std::forward<Args>(args)...);
    out_ += '\n';
  }

  /// Metrics name the canary's backend by its label.
  void write_log() {
    line("  log_format requests '{}';", request_log_format);
    line("  access_log requests.fifo requests;");
    line("  map $alternative $canary {{ default \"\";");
    for (const auto& [key, upstream] : plan_.upstreams)
      line("    {} {};", quoted(key), quoted(upstream.label));
    line("  }}");
  }

  [[nodiscard]] bool serves(const std::string& upstream) const {
    const auto found = plan_.upstreams.find(upstream);
    return found != plan_.upstreams.end() && !found->second.targets.empty();
  }

  void write_upstream(const std::string& key, const Upstream& upstream) {
    if (upstream.targets.empty()) return;
    line("  upstream {} {{", quoted(key));
    for (const std::string& target : upstream.targets) {
      line("    server {} max_fails=0;", target);
    }
    line("    keepalive 64;\n  }}");
  }

  /// The server for all other hosts is written first and comes with or without rules of its own.
  void write_server(const VirtualServer& named, bool fallback) {
    const VirtualServer* server = &named;
    const auto nameless = std::ranges::find(plan_.servers, std::string(), &VirtualServer::host);
    if (fallback && nameless != plan_.servers.end()) server = &*nameless;
    std::vector<const Location*> locations;
    for (const Location& each : server->locations) locations.push_back(&each);
    // Exact paths first: a prefix covers its own path, too, but gives way.
    std::ranges::sort(locations, {}, [](const Location* each) {
      return std::pair(each->type == PathType::exact ? 0 : 1, each);
    });
    std::vector<int> numbers;
    for (const Location* each : locations) numbers.push_back(write_decision(*each));

    line("  server {{\n    include listen.conf;");
    line("    server_name {};", fallback ? "_" : quoted(server->host));
    for (const char* name : {"namespace", "ingress_name", "service_name", "service_port", "location_path",
                             "alternative", "main"}) {
      line("    set ${} \"\";", name);
    }
    std::set<std::string> matchers;
    for (std::size_t i = 0; i < locations.size(); ++i) write_location(*locations[i], numbers[i], matchers);
    if (matchers.insert("\"/\"").second) {
      line("    location \"/\" {{ return 404 \"no Ingress has a rule for this host and path\\n\"; }}");
    }
    line("  }}");
  }

  // --- Which requests go to the canary

  /// Writes the variable $canary_N that is the canary's upstream or empty, and returns N; 0: none is needed.
  int write_decision(const Location& location) {
    if (!location.alternative || !serves(location.upstream) || location.closed) return 0;
    if (!serves(location.alternative->upstream)) return 0;
    const int number = ++decisions_;
    std::string says = write_header_rule(location.alternative->rules, number);
    says += write_cookie_rule(location.alternative->rules, number);
    says += write_weight_rule(location.alternative->rules, number);
    line("  map {} $canary_{} {{ default \"\"; \"~^c\" {}; }}", quoted(says), number,
         quoted(location.alternative->upstream));
    return number;
  }

  /// Plain words are compared without case, so that all are patterns.
  void write_map(std::string_view source, const std::string& variable,
                 const std::vector<std::pair<std::string, char>>& cases) {
    line("  map ${} ${} {{\n    default \"\";", source, variable);
    for (const auto& [pattern, side] : cases) line("    {} {};", quoted("~" + pattern), side);
    line("  }}");
  }

  std::string write_header_rule(const CanaryRules& rules, int number) {
    std::string name = rules.header;
    std::ranges::transform(name, name.begin(), [](unsigned char c) {
      return c == '-' ? '_' : static_cast<char>(std::tolower(c));
    });
    const bool possible = std::ranges::all_of(
        name, [](unsigned char c) { return std::isalnum(c) || c == '_'; });  // others never reach NGINX
    if (name.empty() || !possible) return {};
    const std::string variable = fmt::format("header_{}", number);
    std::vector<std::pair<std::string, char>> cases;
    if (!rules.header_value.empty()) {
      cases = {{"^" + pattern_of(rules.header_value) + "$", 'c'}};
    } else if (rules.pattern_broken) {
      cases = {{"^.", 'm'}};
    } else if (!rules.header_pattern.empty()) {
      // An anchored pattern must see the very start, so it is tried as it is, once the header is there.
      cases = {{"^$(*SKIP)(*FAIL)|" + rules.header_pattern, 'c'}};
    } else {
      cases = {{"^always$", 'c'}, {"^never$", 'm'}};
    }
    write_map("http_" + name, variable, cases);
    return "${" + variable + "}";
  }

  std::string write_cookie_rule(const CanaryRules& rules, int number) {
    if (rules.cookie.empty()) return {};
    const std::string variable = fmt::format("cookie_{}", number);
    const std::string is = "(?:^|;)\\s*(?i:" + pattern_of(rules.cookie) + ")=";
    write_map("http_cookie", variable, {{is + "always\\s*(?:;|$)", 'c'}, {is + "never\\s*(?:;|$)", 'm'}});
    return "${" + variable + "}";
  }

  std::string write_weight_rule(const CanaryRules& rules, int number) {
    if (rules.weight <= 0) return {};
    if (rules.weight >= rules.total) return "c";
    const double percent = 100.0 * rules.weight / rules.total;
    const std::string variable = fmt::format("weight_{}", number);
    line("  split_clients $request_id ${} {{ {:.2f}% c; * m; }}", variable, std::max(percent, 0.01));
    return "${" + variable + "}";
  }

  // --- Locations

  static std::vector<std::string> matchers_of(const Location& location) {
    const std::string& path = location.path;
    if (location.type == PathType::exact) return {"= " + quoted(path)};
    if (location.type == PathType::implementation_specific || path == "/") return {quoted(path)};
    const std::string bare = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
    return {"= " + quoted(bare), quoted(bare + "/")};
  }

  void write_location(const Location& location, int decision, std::set<std::string>& taken) {
    for (const std::string& matcher : matchers_of(location)) {
      if (!taken.insert(matcher).second) continue;
      line("    location {} {{", matcher);
      line("      set $namespace {};", quoted(location.ingress.ns));
      line("      set $ingress_name {};", quoted(location.ingress.name));
      line("      set $service_name {};", quoted(location.service));
      line("      set $service_port {};", quoted(location.service_port));
      line("      set $location_path {};", quoted(label_of(location.path)));
      write_answer(location, decision);
      line("    }}");
    }
  }

  void write_answer(const Location& location, int decision) {
    if (location.closed || !serves(location.override.empty() ? location.upstream : location.override)) {
      line("      return 503;");
      return;
    }
    line("      set $main {};", quoted(location.upstream));
    if (decision != 0) line("      set $alternative $canary_{};", decision);
    line("      client_max_body_size {};", location.body_size);
    line("      proxy_read_timeout {};", location.read_timeout);
    out_ += proxy_headers;
    if (!location.snippet.empty()) line("{}", location.snippet);
    if (location.override.empty()) {
      line("      proxy_pass http://$backend;");
    } else {
      line("      proxy_pass {};", quoted("http://" + location.override));
    }
  }

  const IngressPlan& plan_;
  std::string out_;
  int decisions_ = 0;
};

}  // namespace

std::string nginx_config(const IngressPlan& plan, int serial) {
  return Writer(plan).write(serial);
}

}  // namespace serin::local
