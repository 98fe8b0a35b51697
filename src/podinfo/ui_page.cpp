#include <fmt/format.h>

#include "podinfo/responses.h"

namespace serin::podinfo {
namespace {

/// The page needs nothing but this server: no library, no font, no network.
constexpr std::string_view page = R"html(</title>
<style>
  body { margin: 0; min-height: 100vh; display: flex; align-items: center; justify-content: center;
         font: 16px/1.5 system-ui, sans-serif; color: #fff; background: #34577c; transition: background .5s }
  main { text-align: center; max-width: 40em; padding: 1em }
  img { max-width: 240px; max-height: 240px } h1 { font-weight: 400 }
  button { font: inherit; padding: .4em 1.4em; border: 0; border-radius: 4px; cursor: pointer }
  ol { list-style: none; padding: 0; margin-top: 2em } li { padding: .3em 1em; margin: .3em; border-radius: 4px }
</style>
</head>
<body>
<main>
  <img id="logo" alt="">
  <h1 id="message">podinfo</h1>
  <p>Served by <b id="hostname"></b></p>
  <p><button id="ping">Ping</button> <span id="pong"></span></p>
  <ol id="timeline"></ol>
</main>
<script>
  const at = id => document.getElementById(id);
  const seen = [];
  let color = "";
  function show(info) {
    document.title = info.hostname;
    document.body.style.background = info.color;
    at("message").textContent = info.message;
    at("hostname").textContent = info.hostname;
    if (at("logo").getAttribute("src") !== info.logo) at("logo").src = info.logo;
    if (!seen.length || seen[0].version !== info.version) seen.unshift(info);
    seen.length = Math.min(seen.length, 2);
    at("timeline").replaceChildren(...seen.map(one => {
      const item = document.createElement("li");
      const even = Number(one.version.split(".").pop()) % 2 === 0;
      item.style.background = even ? "#2196f3" : "#4caf50";
      item.textContent = "v" + one.version + " on " + one.hostname;
      return item;
    }));
  }
  async function poll() {
    try { show(await (await fetch("api/info")).json()); } catch (e) { at("pong").textContent = String(e); }
  }
  at("logo").onerror = () => at("logo").style.display = "none";
  at("ping").onclick = async () => {
    try {
      const answer = await fetch("api/echo", { method: "POST", body: "ping" });
      at("pong").textContent = answer.status + " " + await answer.text();
    } catch (e) { at("pong").textContent = String(e); }
  };
  poll();
  setInterval(poll, 3000);
</script>
</body>
</html>
)html";

std::string escaped(std::string_view text) {
  std::string html;
  for (const char c : text) {
    if (c == '<')
      html += "&lt;";
    else if (c == '&')
      html += "&amp;";
    else
      html += c;
  }
  return html;
}

}  // namespace

std::string ui_page(std::string_view hostname) {
  return fmt::format("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}{}",
                     escaped(hostname), page);
}

}  // namespace serin::podinfo
