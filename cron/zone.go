package cron

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// LoadZone returns the time zone that a [Config] refers to by its Zone. The empty name means
// the local time zone. LoadZone returns an error if the zone does not exist, or if the local
// zone is set by the environment variable TZ to one that does not exist, for which package
// time silently uses UTC.
func LoadZone(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, checkLocal()
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %.100q, want a name from the tz database such as Europe/Paris or UTC", name)
	}
	return loc, nil
}

// checkLocal returns an error if the local zone is UTC only because package time could not
// load the one in TZ. A zone that package time has loaded is called Local, whatever TZ is.
func checkLocal() error {
	tz := os.Getenv("TZ")
	switch strings.TrimPrefix(tz, ":") {
	case "", "UTC", "UTC0":
		return nil
	}
	if time.Local == time.UTC || time.Local.String() != "UTC" { // time.Local is UTC itself only if the program has set it
		return nil
	}
	return fmt.Errorf("the environment variable TZ is %.100q, an unknown time zone; want a name from the tz database such as Europe/Paris or UTC", tz)
}
