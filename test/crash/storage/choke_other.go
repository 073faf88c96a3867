//go:build !linux

package main

import "errors"

// noLimits says why the kernel cannot be asked to refuse writes.
func noLimits() string { return "only Linux limits another process" }

// choke is not possible here; noLimits has said so before.
func choke(int, uint64) error { return errors.New(noLimits()) }
