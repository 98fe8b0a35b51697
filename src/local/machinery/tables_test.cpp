#include "local/machinery/tables.h"

#include <gtest/gtest.h>

namespace serin::local {
namespace {

Json json(std::string_view text) {
  auto parsed = Json::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Json();
}

const base::WallTime now = *base::parse_rfc3339("2026-11-23T05:00:00Z");

Json cells_of(std::string_view api_version, std::string_view kind, std::string_view text) {
  const BuiltinResource* resource = find_builtin_kind(api_version, kind);
  EXPECT_NE(resource, nullptr) << kind;
  const Json table = print_builtin(*resource, {json(text)}, Json(), now, IncludeObject::metadata);
  const Json& cells = table["rows"].at(0)["cells"];
  EXPECT_EQ(cells.size(), table["columnDefinitions"].size()) << kind;
  return cells;
}

struct Case {
  const char* api_version;
  const char* kind;
  const char* object;
  const char* cells;
};

const Case cases[] = {
    {"apps/v1", "Deployment",
     R"({"metadata":{"name":"podinfo","creationTimestamp":"2026-11-23T04:55:00Z"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"podinfo"}},"template":{"spec":{"containers":[{"name":"a","image":"x:1"},{"name":"b","image":"y"}]}}},"status":{"readyReplicas":1,"updatedReplicas":2,"availableReplicas":1}})",
     R"(["podinfo","1/2",2,1,"5m","a,b","x:1,y","app=podinfo"])"},
    {"v1", "Service",
     R"({"metadata":{"name":"s","creationTimestamp":"2026-11-23T04:59:30Z"},"spec":{"type":"ClusterIP","clusterIP":"10.96.0.7","ports":[{"port":80,"protocol":"TCP"},{"port":81,"nodePort":30001,"protocol":"UDP"}],"selector":{"b":"2","a":"1"}}})",
     R"(["s","ClusterIP","10.96.0.7","<none>","80/TCP,81:30001/UDP","30s","a=1,b=2"])"},
    {"v1", "Pod",
     R"({"metadata":{"name":"p","creationTimestamp":"2026-11-23T02:00:00Z"},"spec":{"nodeName":"n","containers":[{},{}]},"status":{"phase":"Running","podIP":"10.244.0.2","containerStatuses":[{"ready":true,"restartCount":3,"state":{"running":{}},"lastState":{"terminated":{"finishedAt":"2026-11-23T04:50:00Z"}}},{"ready":false,"restartCount":0,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})",
     R"~(["p","1/2","CrashLoopBackOff","3 (10m ago)","3h","10.244.0.2","n","<none>","<none>"])~"},
    {"v1", "Pod",
     R"({"metadata":{"name":"p","creationTimestamp":"2026-11-23T05:00:00Z","deletionTimestamp":"2026-11-23T05:00:00Z"},"spec":{"initContainers":[{"name":"i"}],"containers":[{}]},"status":{"phase":"Pending"}})",
     R"(["p","0/1","Terminating","0","0s","<none>","<none>","<none>","<none>"])"},
    {"v1", "Pod",
     R"({"metadata":{"name":"p","creationTimestamp":"2026-11-23T05:00:00Z"},"spec":{"initContainers":[{"name":"i"},{"name":"j"}],"containers":[{}]},"status":{"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}},{"name":"j","state":{"running":{}}}]}})",
     R"(["p","0/1","Init:1/2","0","0s","<none>","<none>","<none>","<none>"])"},
    {"autoscaling/v2", "HorizontalPodAutoscaler",
     R"({"metadata":{"name":"h","creationTimestamp":"2026-11-21T00:00:00Z"},"spec":{"minReplicas":2,"maxReplicas":4,"scaleTargetRef":{"kind":"Deployment","name":"podinfo"},"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":99}}}]},"status":{"currentReplicas":2,"currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":5}}}]}})",
     R"(["h","Deployment/podinfo","cpu: 5%/99%","2",4,2,"2d5h"])"},
    {"networking.k8s.io/v1", "Ingress",
     R"({"metadata":{"name":"i","creationTimestamp":"2025-11-21T00:00:00Z"},"spec":{"rules":[{"host":"a"},{"host":"b"},{"host":"c"},{"host":"d"}]},"status":{"loadBalancer":{"ingress":[{"ip":"127.0.0.1"}]}}})",
     R"(["i","<none>","a,b,c + 1 more...","127.0.0.1","80","367d"])"},
    {"v1", "Event",
     R"({"metadata":{"name":"e"},"involvedObject":{"kind":"Canary","name":"podinfo"},"source":{"component":"flagger"},"reason":"Synced","type":"Normal","message":"M\n","count":3,"firstTimestamp":"2026-11-23T04:00:00Z","lastTimestamp":"2026-11-23T04:59:00Z","eventTime":null})",
     R"(["60s","Normal","Synced","canary/podinfo","","flagger","M","60m",3,"e"])"},
    {"discovery.k8s.io/v1", "EndpointSlice",
     R"({"metadata":{"name":"s","creationTimestamp":"2026-11-23T05:00:00Z"},"addressType":"IPv4","ports":[{"port":9898}],"endpoints":[{"addresses":["10.0.0.1"]},{"addresses":["10.0.0.2"]}]})",
     R"(["s","IPv4","9898","10.0.0.1,10.0.0.2","0s"])"},
    {"v1", "Node",
     R"({"metadata":{"name":"n","creationTimestamp":"2026-11-23T05:00:00Z","labels":{"node-role.kubernetes.io/control-plane":""}},"status":{"conditions":[{"type":"Ready","status":"True"}],"addresses":[{"type":"InternalIP","address":"127.0.0.1"}],"nodeInfo":{"kubeletVersion":"v1.36.0"}}})",
     R"(["n","Ready","control-plane","0s","v1.36.0","127.0.0.1","<none>","<unknown>","<unknown>","<unknown>"])"},
    {"v1", "ServiceAccount", R"({"metadata":{"name":"default","creationTimestamp":"2026-11-23T04:00:00Z"}})",
     R"(["default","60m"])"},
};

TEST(PrintBuiltin, CellsOfEachKind) {
  for (const Case& c : cases) {
    EXPECT_EQ(cells_of(c.api_version, c.kind, c.object), json(c.cells))
        << c.kind << ": " << cells_of(c.api_version, c.kind, c.object).dump();
  }
}

TEST(PrintCustom, UsesAdditionalPrinterColumns) {
  const Json columns = json(R"([{"name":"Status","type":"string","jsonPath":".status.phase"},
    {"name":"Weight","type":"string","jsonPath":".status.weight"},{"name":"Suspended","type":"boolean","priority":1,"jsonPath":".spec.suspend"},
    {"name":"Steps","type":"string","jsonPath":".spec.steps"},{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"},
    {"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"},{"name":"N","type":"integer","jsonPath":".spec.n"}])");
  const Json object = json(
      R"({"metadata":{"name":"c","creationTimestamp":"2026-11-23T04:59:00Z"},"spec":{"suspend":true,"steps":[1,2],"n":5},
    "status":{"weight":20,"conditions":[{"type":"X","status":"False"},{"type":"Ready","status":"True"}]}})");
  const Json table =
      print_custom(columns, {object}, json(R"({"resourceVersion":"7"})"), now, IncludeObject::none);
  EXPECT_EQ(table["rows"].at(0)["cells"], json(R"(["c",null,"20",true,"[1,2]","True","60s",5])"))
      << table["rows"].dump();
  EXPECT_EQ(table.get("metadata", "resourceVersion").str(), "7");
  EXPECT_EQ(table["columnDefinitions"].at(3)["priority"].as_int(), 1);
  EXPECT_FALSE(table["rows"].at(0).contains("object"));
}

TEST(PrintCustom, HasAgeWithoutColumns) {
  const Json table =
      print_custom(Json(), {json(R"({"metadata":{"name":"c","creationTimestamp":"2026-11-23T04:59:00Z"}})")},
                   Json(), now, IncludeObject::object);
  EXPECT_EQ(table["rows"].at(0)["cells"], json(R"(["c","60s"])"));
  EXPECT_EQ(table["rows"].at(0).get("object", "metadata", "name").str(), "c");
}

TEST(HumanDuration, AsKubectlPrints) {
  using namespace std::chrono;
  const std::pair<seconds, const char*> ages[] = {
      {-5s, "<invalid>"},    {-1s, "0s"},    {119s, "119s"},  {2min, "2m"},
      {125s, "2m5s"},        {59min, "59m"}, {3h, "3h"},      {3h + 5min, "3h5m"},
      {47h, "47h"},          {50h, "2d2h"},  {24h * 9, "9d"}, {24h * 365 * 3 + 24h, "3y1d"},
      {24h * 365 * 9, "9y"},
  };
  for (const auto& [age, text] : ages) EXPECT_EQ(human_duration(age), text);
}

TEST(JsonPath, FindsValues) {
  const Json object = json(R"({"a":{"b.c":1,"d":[{"e":1},{"e":2}]}})");
  EXPECT_EQ(json_path(object, ".a['b.c']"), std::vector<Json>{1});
  EXPECT_EQ(json_path(object, ".a.b\\.c"), std::vector<Json>{1});
  EXPECT_EQ(json_path(object, "{.a.d[*].e}"), (std::vector<Json>{1, 2}));
  EXPECT_EQ(json_path(object, ".a.d[-1].e"), std::vector<Json>{2});
  EXPECT_TRUE(json_path(object, ".a.x.y").empty());
}

}  // namespace
}  // namespace serin::local
