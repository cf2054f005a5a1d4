package difftest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/adhocore/gronx"
	netresearch "github.com/netresearch/go-cron"
	robfig "github.com/robfig/cron/v3"
)

// oracle is another library: from a pattern it makes a function from an instant to the next
// one, which returns the zero time if it finds none.
type oracle struct {
	name  string
	parse func(pattern string) (next func(time.Time) time.Time, err error)
}

var oracles = []oracle{
	{"robfig/cron", parseRobfig},
	{"netresearch/go-cron", parseNetresearch},
	{"gronx", parseGronx},
}

func parseRobfig(pattern string) (next func(time.Time) time.Time, err error) {
	defer panicToError(&err)
	p := robfig.NewParser(robfig.SecondOptional | robfig.Minute | robfig.Hour | robfig.Dom | robfig.Month | robfig.Dow | robfig.Descriptor)
	s, err := p.Parse(pattern)
	if err != nil {
		return nil, err
	}
	return s.Next, nil
}

func parseNetresearch(pattern string) (next func(time.Time) time.Time, err error) {
	defer panicToError(&err)
	p := netresearch.MustNewParser(netresearch.SecondOptional | netresearch.Minute | netresearch.Hour | netresearch.Dom | netresearch.Month | netresearch.Dow | netresearch.Descriptor)
	s, err := p.Parse(pattern)
	if err != nil {
		return nil, err
	}
	return s.Next, nil
}

func parseGronx(pattern string) (next func(time.Time) time.Time, err error) {
	defer panicToError(&err)
	if strings.HasPrefix(pattern, "@every") {
		return nil, errors.New("gronx has no @every")
	}
	if !gronx.IsValid(pattern) {
		return nil, errors.New("invalid")
	}
	return func(t time.Time) time.Time {
		n, err := gronx.NextTickAfter(pattern, t, false)
		if err != nil {
			return time.Time{}
		}
		return n
	}, nil
}

func panicToError(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("panic: %v", v)
	}
}
