// Package deploy tests what lies in deploy/docker, deploy/compose, deploy/k8s and
// deploy/systemd.
//
// It promises that every manifest is read strictly, so that a key nobody knows
// fails; that every program, file, port and secret that a manifest names exists;
// that every program starts with what its manifest tells it, by the grammar of
// the program itself and no second list; and that what the compose files describe
// works: their services run as processes, with their own commands and their own
// environment, and orders get through.
//
// It builds no image and starts no cluster: where the machine has no engine for
// containers, what an image, a network or a kernel adds is read and not run.
//
// Nothing imports it.
package deploy
