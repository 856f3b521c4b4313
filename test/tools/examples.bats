#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2034,SC2154  # backquotes are Markdown's, and helpers set variables
# The dashboard and the alert rules in examples/ are well-formed, and ask for metrics that `truefin stats` has.

load ../helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    started=()
    PATH=$PATH:/var/cache/truefin/daemons/prometheus/usr/bin
    ALERTS=$SOURCE_DIR/examples/alerts.yml
    DASHBOARD=$SOURCE_DIR/examples/grafana.json
}

# Prints the metrics that `truefin stats` has.
metrics() {
    mkdir -m 700 pages
    "$BUILD_DIR/libexec/truefin/stats" -d pages --prometheus | sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' | sort
}

@test "promtool finds nothing wrong with the alert rules" {
    requires promtool
    run -0 promtool check rules "$ALERTS"
    assert_output --partial 'SUCCESS: 7 rules found'
}

@test "the rules and the dashboard ask for metrics that are there" {
    metrics >known
    assert [ "$(wc -l <known)" -ge 15 ]
    grep -ohE 'truefin_[a-z_]+' "$ALERTS" "$DASHBOARD" | sort -u >asked
    assert_equal "$(comm -23 asked known)" ''
    assert [ "$(wc -l <asked)" -ge 12 ]
}

@test "every label that they select by is one that truefin stats prints" {
    grep -oE ',?[a-z_]+=~?!?\\?"' "$ALERTS" "$DASHBOARD" -h | grep -oE '[a-z_]+' | sort -u >asked
    printf '%s\n' ending event file instance program sends state why >known
    assert_equal "$(comm -23 asked known)" ''
}

@test "the dashboard is JSON with a title, and a query for each panel" {
    requires python3
    run -0 python3 - "$DASHBOARD" <<'END'
import json, sys
board = json.load(open(sys.argv[1]))
assert board["title"] == "truefin" and board["schemaVersion"] >= 30
assert len({p["id"] for p in board["panels"]}) == len(board["panels"])
for panel in board["panels"]:
    assert panel["title"] and panel["targets"] and all(t["expr"] for t in panel["targets"]), panel["title"]
    grid = panel["gridPos"]
    assert grid["x"] + grid["w"] <= 24
print(len(board["panels"]))
END
    assert_output 16
}

@test "a crash and a blind process raise their alerts, and a good end none" {
    requires promtool
    cat >rules.test.yml <<END
rule_files: ["$ALERTS"]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'truefin_endings_total{instance="a",program="nginx",uid="33",by="library",event="crash",ending="flush-rst"}'
        values: '0 0 0 3 3 3'
      - series: 'truefin_endings_total{instance="a",program="nginx",uid="33",by="library",event="close",ending="keep"}'
        values: '0+100x5'
      - series: 'truefin_processes{instance="a",program="php",uid="33",by="library",state="blind"}'
        values: '0 0 1 1 1 1'
      - series: 'truefin_lost_connections_total{instance="a",program="nginx",uid="33",by="library"}'
        values: '0 0 0 0 0 0'
    alert_rule_test:
      - eval_time: 2m
        alertname: TruefinCrashes
        exp_alerts: []
      - eval_time: 5m
        alertname: TruefinLostConnections
        exp_alerts: []
    promql_expr_test:
      - expr: count(ALERTS{alertname="TruefinCrashes",program="nginx"})
        eval_time: 5m
        exp_samples: [{labels: '{}', value: 1}]
      - expr: count(ALERTS{alertname="TruefinBlind",program="php"})
        eval_time: 5m
        exp_samples: [{labels: '{}', value: 1}]
      - expr: count(ALERTS)
        eval_time: 5m
        exp_samples: [{labels: '{}', value: 2}]
END
    run -0 promtool test rules rules.test.yml
    assert_output --partial SUCCESS
}
