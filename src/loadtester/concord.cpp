#include "loadtester/concord.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <ranges>

namespace serin::loadtester {

using base::Errc;
using base::fail;
using base::Json;
using base::Result;

namespace {

constexpr std::string_view argument_prefix = "arguments.";
constexpr std::size_t key_max = 8u << 10;  // servers take no longer headers
constexpr base::Duration poll_interval_min = std::chrono::milliseconds(100);

/// The file's text without the white space around it: a header field's value.
Result<std::string> read_key(const std::string& path) {
  std::error_code error;
  const bool regular = std::filesystem::is_regular_file(path, error);  // others may have no end
  std::ifstream file(regular ? path : "");
  if (!file) return fail(Errc::invalid, fmt::format("`apiKeyPath` file doesn't exist {}", path));
  std::string text(key_max, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  const auto begin = text.find_first_not_of(" \r\n\t");
  const auto end = text.find_last_not_of(" \r\n\t");
  const std::string key = begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
  if (std::ranges::any_of(key, [](unsigned char c) { return c < 0x20; })) {
    return fail(Errc::invalid, fmt::format("`apiKeyPath` file {} holds more than one line", path));
  }
  return key;
}

Result<void> read_seconds(const Metadata& metadata, const std::string& field, std::chrono::seconds& into) {
  const auto found = metadata.find(field);
  if (found == metadata.end()) return {};
  const std::string& text = found->second;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) {
    return fail(Errc::invalid, fmt::format("unable to convert `{}` to int", field));
  }
  into = std::chrono::seconds(number);
  return {};
}

/// A field's name inside the quotes of a Content-Disposition, as the HTML standard escapes it.
std::string escape_name(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '"' || c == '\r' || c == '\n')
      escaped += fmt::format("%{:02X}", static_cast<unsigned>(c));
    else
      escaped += c;
  }
  return escaped;
}

/// A text that none of the fields contains.
std::string boundary_for(const Metadata& form) {
  for (int number = 0;; ++number) {
    std::string boundary = fmt::format("serin-form-{}", number);
    const auto contains = [&](const auto& field) {
      return field.first.contains(boundary) || field.second.contains(boundary);
    };
    if (std::ranges::none_of(form, contains)) return boundary;
  }
}

http::Request start_request(const Concord& concord) {
  http::Request request{.method = "POST", .url = concord.server, .headers = {}, .body = {}};
  request.url.target = "/api/v1/process";
  const std::string boundary = boundary_for(concord.form);
  for (const auto& [name, value] : concord.form) {
    request.body += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n", boundary,
                                escape_name(name), value);
  }
  request.body += fmt::format("--{}--\r\n", boundary);
  request.headers.set("Content-Type", "multipart/form-data; boundary=" + boundary);
  request.headers.set("Authorization", concord.api_key);
  return request;
}

http::Request status_request(const Concord& concord, const std::string& id) {
  http::Request request{.method = "GET", .url = concord.server, .headers = {}, .body = {}};
  request.url.target = "/api/v1/process/" + http::percent_encode(id);
  request.headers.set("Authorization", concord.api_key);
  return request;
}

/// Polls until the process has ended.
base::Task<Result<void>> await_end(http::Client& client, base::Clock& clock, Concord concord,
                                   std::string id) {
  for (;;) {
    // The limit begins anew with each poll, so that it only says something when it is the shorter one.
    if (concord.poll_timeout < concord.poll_interval) {
      co_await clock.sleep_for(concord.poll_timeout);
      co_return fail(Errc::timeout, fmt::format("concord process timed out, after {} seconds",
                                                concord.poll_timeout.count()));
    }
    co_await clock.sleep_for(std::max<base::Duration>(concord.poll_interval, poll_interval_min));
    http::Request request = status_request(concord, id);
    const Result<Json> answer = co_await fetch_json(client, std::move(request));
    if (!answer) co_return fail(answer.error().within("failed checking status"));
    const std::string& status = (*answer)["status"].str();
    if (status == "FINISHED") co_return Result<void>{};
    if (status == "FAILED" || status == "CANCELLED" || status == "TIMED_OUT") {
      co_return fail(Errc::rejected, fmt::format("concord instanceID: {} failed", id));
    }
  }
}

base::Task<Result<void>> run(http::Client& client, base::Clock& clock, Concord concord) {
  http::Request request = start_request(concord);
  const Result<Json> answer = co_await fetch_json(client, std::move(request));
  if (!answer) co_return fail(answer.error().within("failed starting concord process"));
  const std::string id = (*answer)["instanceId"].str();
  if (id.empty() || !(*answer)["ok"].bool_or(false)) {
    co_return fail(Errc::rejected, "failed starting concord process: " + answer->dump());
  }
  Result<void> ended = co_await await_end(client, clock, std::move(concord), id);
  co_return ended;
}

}  // namespace

Result<Concord> Concord::parse(const Metadata& metadata) {
  Concord concord;
  constexpr std::pair<const char*, const char*> required[] = {{"server", ""},
                                                              {"org", "org"},
                                                              {"project", "project"},
                                                              {"repo", "repo"},
                                                              {"entrypoint", "entryPoint"},
                                                              {"apiKeyPath", ""},
                                                              {"endpoint", "arguments.endpoint"}};
  for (const auto& [key, form_name] : required) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) {
      return fail(Errc::invalid, fmt::format("`{}` is required with type concord", key));
    }
    if (*form_name != '\0') concord.form[form_name] = found->second;
    if (std::string_view(key) != "apiKeyPath") continue;
    Result<std::string> api_key = read_key(found->second);
    if (!api_key) return fail(api_key.error());
    concord.api_key = std::move(*api_key);
  }
  Result<http::Url> server = parse_server(metadata);
  if (!server) return fail(server.error());
  concord.server = std::move(*server);
  if (auto read = read_seconds(metadata, "pollInterval", concord.poll_interval); !read)
    return fail(read.error());
  if (auto read = read_seconds(metadata, "pollTimeout", concord.poll_timeout); !read)
    return fail(read.error());
  for (const auto& [key, value] : metadata) {
    if (!key.starts_with(argument_prefix)) continue;
    if (key == "arguments.endpoint") {
      return fail(Errc::invalid,
                  "You cannot override Endpoint through arguments. You must override Endpoint directly");
    }
    concord.form[key] = value;
  }
  return concord;
}

base::Task<Finished> run_concord(http::Client& client, base::Clock& clock, Metadata metadata,
                                 base::Duration timeout) {
  Result<Concord> concord = Concord::parse(metadata);
  if (!concord) co_return Finished{.failure = concord.error().message};
  base::Task<Result<void>> task = run(client, clock, std::move(*concord));
  const Result<void> ended =
      co_await base::with_deadline(clock, clock.now() + timeout, std::move(task), "context timedout");
  co_return Finished{.failure = ended ? std::string() : ended.error().message};
}

}  // namespace serin::loadtester
