#include "analysis/template.h"

#include <gtest/gtest.h>

namespace serin::analysis {
namespace {

const TemplateScope scope{.name = "podinfo",
                          .ns = "test",
                          .target = "podinfo-target",
                          .service = "podinfo-svc",
                          .ingress = "podinfo-ing",
                          .route = "podinfo-route",
                          .interval = "1m",
                          .variables = {{"a", "1"}, {"b", "2"}, {"x-y", "\"q\""}}};

struct Case {
  const char* text;
  const char* expected;
};

TEST(Template, Renders) {
  const Case cases[] = {
      {"plain } text", "plain } text"},
      {"{{ name }}/{{namespace}}/{{ target }}/{{ service }}/{{ ingress }}/{{ route }}",
       "podinfo/test/podinfo-target/podinfo-svc/podinfo-ing/podinfo-route"},
      {"[{{- interval -}}]", "[1m]"},
      {"a \n {{- interval -}} \n b", "a1mb"},
      {"a {{/* no\nword */}} b", "a  b"},
      {"a {{- /* trimmed */ -}} b", "ab"},
      {"{{ variables.a }}{{ index variables \"b\" }}", "12"},
      {"{{ index variables \"x-y\" }}|{{ index variables \"unknown\" }}|", "\"q\"||"},
      {"{{ \"lit\\t\\\"eral\" }} {{ `raw\\` }} {{ 42 }} {{ 1.5 }} {{ true }}",
       "lit\t\"eral raw\\ 42 1.5 true"},
      {"{{ namespace | printf \"%q\" }}", "\"test\""},
      {"{{ $x := namespace }}{{ $x }}{{ $x = name }}{{ $x }}", "testpodinfo"},
      {"{{ if eq namespace \"test\" }}yes{{ else }}no{{ end }}", "yes"},
      {"{{ if eq namespace \"a\" \"b\" \"test\" }}yes{{ end }}", "yes"},
      {"{{ if lt 1 2 }}a{{ end }}{{ if ge \"b\" \"a\" }}b{{ end }}{{ if ne 1 1 }}c{{ end }}", "ab"},
      {"{{ if false }}1{{ else if and true \"\" }}2{{ else if or \"\" 3 }}3{{ else }}4{{ end }}", "3"},
      {"{{ with variables.a }}<{{ . }}>{{ end }}{{ with \"\" }}x{{ else }}y{{ end }}", "<1>y"},
      {"{{ range $k, $v := variables }}{{ $k }}={{ $v }};{{ end }}", "a=1;b=2;x-y=\"q\";"},
      {"{{ range variables }}{{ . }},{{ end }}", "1,2,\"q\","},
      {"{{ variables }}", "map[a:1 b:2 x-y:\"q\"]"},
      {"{{ . }}", "<no value>"},
      {"{{ len variables }} {{ len namespace }} {{ slice namespace 1 3 }} {{ not true }}", "3 4 es false"},
      {"{{ print 1 2 \"a\" \"b\" 3 }}|{{ println 1 \"x\" }}", "1 2ab3|1 x\n"},
      {"{{ printf \"%s-%5d|%-5s|%05.1f|%v|%%|%x\" \"a\" 42 \"b\" 3.14159 true 255 }}",
       "a-   42|b    |003.1|true|%|ff"},
      {"{{ printf \"%d\" \"a\" }} {{ printf \"%s\" }} {{ printf \"x\" 1 }}",
       "%!d(string=a) %!s(MISSING) x%!(EXTRA int=1)"},
      {"{{ urlquery \"a b&c\" }} {{ html \"<a>\" }} {{ js \"it's\" }}", "a+b%26c &lt;a&gt; it\\'s"},
      {"{{ (index variables \"a\") }}{{ printf \"%s\" (print name \"!\") }}", "1podinfo!"},
      {"{{ \"a}}b\" }}", "a}}b"},
  };
  for (const Case& c : cases) {
    const auto rendered = render(c.text, scope);
    EXPECT_EQ(rendered ? *rendered : rendered.error().message, c.expected) << c.text;
  }
}

TEST(Template, Errors) {
  const Case cases[] = {
      {"{{ foo }}", "template parsing failed: template: tmpl:1: function \"foo\" not defined"},
      {"a\n{{ Name }}", "template parsing failed: template: tmpl:2: function \"Name\" not defined"},
      {"{{ name", "template parsing failed: template: tmpl:1: unclosed action"},
      {"{{ name \"", "template parsing failed: template: tmpl:1: unterminated quoted string"},
      {"{{ if true }}x", "template parsing failed: template: tmpl:1: unexpected EOF"},
      {"{{ end }}", "template parsing failed: template: tmpl:1: unexpected {{end}}"},
      {"{{ $x }}", "template parsing failed: template: tmpl:1: undefined variable \"$x\""},
      {"{{ }}", "template parsing failed: template: tmpl:1: missing value for command"},
      {"{{ (name }}", "template parsing failed: template: tmpl:1: unclosed left paren"},
      {"{{ name) }}", "template parsing failed: template: tmpl:1: unexpected right paren"},
      {"{{/* x", "template parsing failed: template: tmpl:1: unclosed comment"},
      {"{{ template \"x\" }}",
       "template parsing failed: template: tmpl:1: {{template}} is not supported in queries"},
      {"{{ variables.foo }}",
       "template excution failed: template: tmpl:1:3: executing \"tmpl\" at <variables>: map has no entry "
       "for key \"foo\""},
      {"up\n  {{ variables.foo }}",
       "template excution failed: template: tmpl:2:5: executing \"tmpl\" at <variables>: map has no entry "
       "for key \"foo\""},
      {"{{ .Foo }}",
       "template excution failed: template: tmpl:1:3: executing \"tmpl\" at <.Foo>: nil data; no entry for "
       "key \"Foo\""},
      {"{{ namespace.foo }}",
       "template excution failed: template: tmpl:1:3: executing \"tmpl\" at <namespace>: can't evaluate "
       "field foo in type string"},
      {"{{ lt 1 \"a\" }}",
       "template excution failed: template: tmpl:1:3: executing \"tmpl\" at <lt 1 \"a\">: error calling lt: "
       "incompatible types for comparison"},
      {"{{ namespace 1 }}",
       "template excution failed: template: tmpl:1:3: executing \"tmpl\" at <namespace>: wrong number of "
       "args for namespace: want 0 got 1"},
      {"{{ range name }}{{ end }}",
       "template excution failed: template: tmpl:1:9: executing \"tmpl\" at <name>: range can't iterate over "
       "podinfo"},
  };
  for (const Case& c : cases) {
    const auto rendered = render(c.text, scope);
    EXPECT_EQ(rendered ? "rendered: " + *rendered : rendered.error().message, c.expected) << c.text;
  }
}

/// Whatever the text, render() returns: every prefix of a rich template, and runaway nesting.
TEST(Template, SurvivesAnything) {
  const std::string rich =
      "{{- $x := index variables \"a\" -}}{{ range $k, $v := variables }}{{ if eq $k `a` }}{{ printf "
      "\"%5.2f\" 1e3 }}"
      "{{ else if not (and $x 1) }}{{/* c */}}{{ end }}{{ with .Foo }}{{ . }}{{ end }}{{ end }}{{ 'c' }}{{ "
      "0x }}{{ $ }}";
  for (std::size_t length = 0; length <= rich.size(); ++length) {
    (void)render(rich.substr(0, length), scope);
    (void)render(rich.substr(length), scope);
  }
  std::string nested, deep(5000, '(');
  for (int i = 0; i < 50; ++i) nested += "{{ range variables }}{{ range variables }}";
  for (int i = 0; i < 100; ++i) nested += "{{ end }}";
  EXPECT_FALSE(render(nested, scope));
  EXPECT_FALSE(render("{{ " + deep + " }}", scope));
  std::string chain = "{{ if false }}";
  for (int i = 0; i < 5000; ++i) chain += "{{ else if false }}";
  EXPECT_FALSE(render(chain + "{{ end }}", scope));
}

TEST(Template, Lint) {
  EXPECT_TRUE(check_template("{{ variables.missing }}"));
  EXPECT_FALSE(check_template("{{ nonsense }}"));
}

}  // namespace
}  // namespace serin::analysis
