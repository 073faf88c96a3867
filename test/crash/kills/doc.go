// Command kills kills NATS servers, again and again, under writers of the
// ledger and of commands, and shows that nothing they were told to be stored is
// gone, and that nothing was stored twice.
//
// The servers are processes of their own and die by SIGKILL: one that syncs
// every write, or with -nodes 3 the leader of EVENTS among three. The writers
// are those of the pipeline (internal/ledger and internal/queue), in this
// process, which outlives the servers: so what they were told is known here, and
// not only in logs. In every other store they store together whatever they can,
// so that kills meet batches (internal/groupcommit), if it is built with the tag
// failpoint.
//
// What processes of Beltline make of it when they die as well is the business of
// package rig. The store is fresh for every few hundred kills.
//
//	go run -tags failpoint ./test/crash/kills -kills 300
//	go run -tags failpoint ./test/crash/kills -nodes 3 -kills 50
package main
