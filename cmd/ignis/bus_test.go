package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// A database other than 0 suggests a separation that there is not.
func TestDatabaseWarning(t *testing.T) {
	t.Parallel()
	for url, warns := range map[string]bool{
		"redis://h":                      false,
		"redis://h/":                     false,
		"redis://h/0":                    false,
		"redis://h/00":                   false,
		"rediss://u:p%2F7@h:1/7":         true,
		"REDIS://:s3cret@h/12":           true,
		"redis+sentinel://a,b/5":         false, // the name of the master
		"redis+sentinel://a,b/5/0":       false,
		"rediss+sentinel://:x@a,b/m%2F/": false,
		"redis+sentinel://a,b/m/3?sentinel_password=s3cret%2F4": true,
		"redis+cluster://a,b": false,
		"unix:///run/redis/1": false,
		"unix:///run/r?db=0":  false,
		"Unix:///run/r?db=2":  true,
	} {
		var out bytes.Buffer
		if _, err := newBus(url, newLogger(&out, "text", slog.LevelInfo)); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		text := out.String()
		if strings.Contains(text, "level=WARN") != warns || strings.Contains(text, "separates nothing") != warns || strings.Contains(text, "s3cret") {
			t.Errorf("%s: logged %q", url, text)
		}
	}
}
