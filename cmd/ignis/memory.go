package main

import (
	"os"
	"runtime/debug"

	"github.com/ignis-go/ignis/internal/memory"
)

// runtimeShare is the part of the memory budget that the Go runtime may use. The rest is for
// the kernel's buffers, and for what the runtime does not count.
const runtimeShare = 0.8

// memoryBudget returns the memory budget in bytes for a value of --memory-limit, and limits
// the Go runtime to a part of it. If GOMEMLIMIT is set, it remains the limit of the runtime.
func memoryBudget(limit memorySize) int64 {
	if os.Getenv("GOMEMLIMIT") != "" || limit < 0 {
		return int64(limit)
	}
	budget := int64(limit)
	if budget == 0 {
		budget = memory.GroupLimit()
	}
	if budget > 0 {
		debug.SetMemoryLimit(int64(runtimeShare * float64(budget)))
	}
	return budget
}
