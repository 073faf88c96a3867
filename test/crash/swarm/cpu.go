package main

import (
	"bytes"
	"fmt"
	"os"
)

// ticks are a second of processor time in /proc, on every Linux.
const ticks = 100

// used is how many seconds of processor time a process has taken; 0 where the
// system does not tell.
func used(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// After the name, which may hold anything, the 12th and 13th field are the
	// times in the program and in the system.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	var user, system int
	if _, err := fmt.Sscan(string(fields[11])+" "+string(fields[12]), &user, &system); err != nil {
		return 0
	}
	return (user + system) / ticks
}
