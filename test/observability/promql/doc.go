// Package promql evaluates the alert rules on made-up series with Prometheus' own engine:
// each alert must come when it should and stay away when it should. It reads the files in
// deploy/ and knows nothing of the programs; that the metrics exist is tested next door.
//
// It is a module of its own, so that nobody who builds Beltline fetches Prometheus.
// Run it with `make alerts`. A plain go test would answer from its cache, because that does not
// watch files of another module.
package promql
