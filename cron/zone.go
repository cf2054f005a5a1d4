package cron

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// LoadZone returns the time zone that a [Config] means by its Zone: empty is that of this
// machine. It is an error if there is none of that name, and if the machine's is set by the
// environment variable TZ to one that there is not: package time takes UTC then.
func LoadZone(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, checkLocal()
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("there is no time zone %.100q; names are those of the tz database, such as Europe/Paris or UTC", name)
	}
	return loc, nil
}

// checkLocal returns an error if the machine's zone is UTC only because package time could
// not load that of TZ. One that it has loaded is called Local, whatever TZ says.
func checkLocal() error {
	tz := os.Getenv("TZ")
	switch strings.TrimPrefix(tz, ":") {
	case "", "UTC", "UTC0":
		return nil
	}
	if time.Local == time.UTC || time.Local.String() != "UTC" { // the first is the program's own choice
		return nil
	}
	return fmt.Errorf("the environment variable TZ is %.100q, which is no time zone of this machine; names are those of the tz database, such as Europe/Paris or UTC", tz)
}
