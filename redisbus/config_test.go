package redisbus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/redisbus"
)

func TestInvalidConfig(t *testing.T) {
	for name, c := range map[string]redisbus.Config{
		"nothing":            {},
		"both":               {URL: "redis://h", Option: &rueidis.ClientOption{InitAddress: []string{"h:1"}}},
		"no address":         {Option: &rueidis.ClientOption{}},
		"name with space":    {URL: "redis://h", Name: "a b"},
		"long name":          {URL: "redis://h", Name: strings.Repeat("a", 65)},
		"negative timeout":   {URL: "redis://h", StartTimeout: -time.Second},
		"negative interval":  {URL: "redis://h", ProbeInterval: -1},
		"negative probe":     {URL: "redis://h", ProbeTimeout: -1},
		"negative flush":     {URL: "redis://h", FlushTimeout: -1},
		"negative age":       {URL: "redis://h", QueueAge: -1},
		"negative queue":     {URL: "redis://h", QueueMessages: -1},
		"negative byte size": {URL: "redis://h", QueueBytes: -1},
	} {
		_, err := redisbus.New(c)
		for call, err := range map[string]error{"New": err, "Check": c.Check()} {
			if !errors.Is(err, redisbus.ErrConfig) {
				t.Errorf("%s: %s = %v, want an error that wraps ErrConfig", name, call, err)
			}
		}
	}
}
