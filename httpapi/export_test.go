package httpapi

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Kinds returns the kinds of problems that an operation may have, by name, with their status.
func Kinds() map[string]int {
	kinds := make(map[string]int)
	for _, k := range []kind{
		problemMalformed, problemUnauthorized, problemForbidden, problemNotFound, problemMethod, problemTimeout, problemInProgress,
		problemUnknownOutcome, problemTooLarge, problemMediaType, problemInvalid, problemKeyReused, problemRate, problemFailures,
		problemInternal, problemNoCommands, problemBus, problemOverloaded, problemNotRunning, problemStore, problemRevocations,
	} {
		kinds[k.name] = k.status
	}
	return kinds
}

// Reading returns the number of requests whose bodies are being read.
func Reading(h *Handler) int64 { return h.reading.Load() }

// Limits returns the limits in the Config of a handler, as docs/limits.md shows them.
func Limits(h *Handler) map[string]string {
	limits := make(map[string]string)
	v := reflect.ValueOf(h.cfg)
	for i := range v.NumField() {
		name, value := v.Type().Field(i).Name, v.Field(i).Interface()
		switch n := value.(type) {
		case int:
			limits[name] = strconv.Itoa(n)
		case time.Duration:
			limits[name] = fmt.Sprintf("%g s", n.Seconds())
		}
	}
	limits["MaxBody"] = fmt.Sprintf("%d MiB", h.cfg.MaxBody>>20)
	limits["MaxBuffered"] = fmt.Sprintf("%d MiB", h.cfg.MaxBuffered>>20)
	limits["MaxFailures"] += " in a minute"
	limits["IdempotencyTTL"] = fmt.Sprintf("%g min", h.cfg.IdempotencyTTL.Minutes())
	limits["Rate"] = strconv.Itoa(defaultRate)
	return limits
}

// Accepts reports whether the schema of an operation that is decoded by hand accepts a value.
func Accepts(batch bool, v any) bool {
	t := reflect.TypeFor[publishRequest]()
	if batch {
		t = reflect.TypeFor[batchRequest]()
	}
	r := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	s := r.Schema(t, true, "")
	var res huma.ValidateResult
	huma.Validate(r, s, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, v, &res)
	return len(res.Errors) == 0
}

// NewMemory returns the Store that is used if none is configured.
func NewMemory() Store { return newMemory() }

// MemoryClaims returns the number of claims in a memory, if it is consistent.
func MemoryClaims(s Store) int {
	m := s.(*memory)
	bytes := 0
	for key, c := range m.claims {
		bytes += len(key) + len(c.value) + claimOverhead
	}
	if bytes != m.bytes || len(m.ends) != len(m.claims) {
		return -1
	}
	return len(m.claims)
}
