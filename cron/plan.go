package cron

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// plan is what the job does and when, as its processes compare it.
func (j *Job) plan(s *Schedule) Plan {
	zone := j.cfg.Zone
	if zone == "" {
		zone = localZone(j.loc)
	}
	p := Plan{Schedule: strings.ToLower(strings.Join(strings.Fields(s.pattern), " ")) + " " + zone}
	if j.cfg.Target != "" {
		sum := sha256.Sum256([]byte(j.cfg.Target))
		p.Target = hex.EncodeToString(sum[:8])
	}
	return p
}

// localZone names the machine's zone by what it does, as its name is the same everywhere.
func localZone(loc *time.Location) string {
	_, winter := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).In(loc).Zone()
	_, summer := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).In(loc).Zone()
	return fmt.Sprintf("Local%+d%+d", winter, summer)
}

// compare warns when another process has begun, since this one did, to follow a job of the
// same name with another plan. It reports whether the two agree.
func (l *loop) compare(mine, theirs Plan) bool {
	switch {
	case theirs == Plan{} || theirs == mine:
		return true
	case theirs.Schedule != mine.Schedule:
		l.warn("another process runs a job of this name on another schedule: each takes instants of the other",
			"schedule", mine.Schedule, "theirs", theirs.Schedule)
		return false
	}
	l.warn("another process runs a job of this name with another Target: each takes instants of the other")
	return true
}
