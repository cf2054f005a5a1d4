package cron

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// plan returns what the job does and when, in the form that its processes compare.
func (j *Job) plan(s *Schedule) Plan {
	zone := j.cfg.Zone
	if zone == "" {
		zone = localZone(j.loc)
	}
	p := Plan{Schedule: strings.ToLower(strings.Join(strings.Fields(s.pattern), " ")) + " " + zone}
	if j.cfg.Fingerprint != "" {
		sum := sha256.Sum256([]byte(j.cfg.Fingerprint))
		p.Fingerprint = hex.EncodeToString(sum[:8])
	}
	return p
}

// localZone identifies the local zone by its offsets, because its name is Local on every machine.
func localZone(loc *time.Location) string {
	_, winter := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).In(loc).Zone()
	_, summer := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).In(loc).Zone()
	return fmt.Sprintf("Local%+d%+d", winter, summer)
}

// compare logs a warning if another process has started, after this one, to run a job of the
// same name with a different plan. It reports whether the schedules agree.
func (l *loop) compare(mine, theirs Plan) bool {
	switch {
	case theirs == Plan{} || theirs == mine:
		return true
	case theirs.Schedule != mine.Schedule:
		l.warn("another process runs a job of this name on a different schedule, so each takes instants of the other",
			"schedule", mine.Schedule, "theirs", theirs.Schedule)
		return false
	}
	l.warn("another process runs a job of this name with a different fingerprint, so each takes instants of the other")
	return true
}
