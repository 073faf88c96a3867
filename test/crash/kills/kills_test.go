package main

import (
	"path/filepath"
	"testing"

	"github.com/beltline-io/beltline/test/crash/procs"
)

// tried is a store under which a server was killed some times.
func tried(t *testing.T, kills int) *trial {
	t.Helper()
	dir := t.TempDir()
	if err := procs.Build(t.Context(), filepath.Join(dir, "bin"), procs.NATSServer); err != nil {
		t.Fatal(err)
	}
	s, err := newTrial(t.Context(), options{nodes: 1, writers: 8, seed: 1}, dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	if err := s.run(t.Context(), kills); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKills_WhatWasToldToBeStoredIsThereAfterEachDeathOfTheServer(t *testing.T) {
	t.Parallel()
	s := tried(t, 4)
	if f, err := s.judge(t.Context()); err != nil || f.gone+f.doubled+f.wrong > 0 {
		t.Errorf("%+v, %v", f, err)
	}
	if s.killed != 4 || s.told < 4 || s.commands == 0 {
		t.Errorf("%d kills, %d events and %d commands: the test has shown nothing", s.killed, s.told, s.commands)
	}
}

func TestKills_TheJudgeSeesWhatIsGoneOrStandsElsewhere(t *testing.T) {
	t.Parallel()
	s := tried(t, 1)
	s.events["never-stored"] = []uint64{1}
	s.sent["never-sent"] = true
	for id, told := range s.events {
		if id != "never-stored" {
			told[0]++
			break
		}
	}
	if f, err := s.judge(t.Context()); err != nil || f.gone != 2 || f.wrong != 1 {
		t.Errorf("2 are gone and 1 stands elsewhere; found %+v, %v", f, err)
	}
}
