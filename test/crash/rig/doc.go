// Package rig runs the whole of Beltline as real processes, breaks it in every
// way that a seed picks, and has what is left judged by package check.
//
// A run has the phases quiet, faults, heal, drain, check, and a second check
// after the longest time for which an answer can be late. While it lasts,
// orders of several tenants keep coming for all providers; processes, the NATS
// server among them, are killed, paused, asked to end and started again; shops
// lose requests and answers, lie, redirect and stall; callbacks are lost,
// doubled, late and forged. The shops live in the process of the rig, whose
// books outlive everything that is killed.
//
// It promises that the seed fixes what is ordered and what is tried in which
// order; the timing of real processes is not repeated. It never judges: that is
// check's, which believes the books. A control run puts a naive worker in the
// place of a real one, and must be caught.
//
// Only the command test/crash and its tests import it.
package rig
