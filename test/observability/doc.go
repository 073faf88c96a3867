// Package observability holds the tests of what operators look at: the metrics of the
// real programs, their document, the dashboards, the alert rules and the runbook. What
// these name must exist, and what must be looked at must be named.
//
// It has no code of its own, and nobody imports it. The rules are evaluated on made-up
// series by the module in the folder promql, which is apart because it needs Prometheus.
package observability
