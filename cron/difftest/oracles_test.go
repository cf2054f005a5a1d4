package difftest

import (
	"errors"
	"fmt"
	"time"

	"github.com/adhocore/gronx"
	netresearch "github.com/netresearch/go-cron"
	robfig "github.com/robfig/cron/v3"
)

// The other libraries. The third is go-cron again, configured to resemble robfig/cron as closely as
// possible and to search further ahead.
const (
	robfigCron = "robfig/cron"
	goCron     = "go-cron"
	goCronOr   = "go-cron with DowOrDom"
	adhocGronx = "gronx"
)

// nextFunc returns the next instant of a schedule, or the zero time if the library finds none.
type nextFunc func(after time.Time) time.Time

// oracle is a library that cron is compared with.
type oracle struct {
	name    string
	module  string
	reading reading
	parse   func(pattern string) (nextFunc, error)
}

var oracles = []oracle{
	{
		name:    robfigCron,
		module:  "github.com/robfig/cron/v3",
		reading: reading{days: eitherByStar, lastWeekday: 6, years: 5, everyFromStart: true},
		parse:   parseRobfig,
	},
	{
		name:    goCron,
		module:  "github.com/netresearch/go-cron",
		reading: reading{days: both, lastWeekday: 7, years: 5, everyFromStart: true},
		parse: func(pattern string) (nextFunc, error) {
			return parseGoCron(pattern, 0, 0)
		},
	},
	{
		name:    goCronOr,
		module:  "github.com/netresearch/go-cron",
		reading: reading{days: eitherByStar, lastWeekday: 7, years: 10, everyFromStart: true},
		parse: func(pattern string) (nextFunc, error) {
			return parseGoCron(pattern, netresearch.DowOrDom, 10)
		},
	},
	{
		name:    adhocGronx,
		module:  "github.com/adhocore/gronx",
		reading: reading{days: eitherByFirst, lastWeekday: 6, sundayStep: true},
		parse:   parseGronx,
	},
}

var errPanicked = errors.New("panicked")

func parseRobfig(pattern string) (next nextFunc, err error) {
	defer func() {
		if v := recover(); v != nil {
			next, err = nil, fmt.Errorf("%w: %v", errPanicked, v)
		}
	}()
	p := robfig.NewParser(robfig.SecondOptional | robfig.Minute | robfig.Hour |
		robfig.Dom | robfig.Month | robfig.Dow | robfig.Descriptor)
	s, err := p.Parse(pattern)
	if err != nil {
		return nil, err
	}
	return s.Next, nil
}

func parseGoCron(pattern string, options netresearch.ParseOption, years int) (nextFunc, error) {
	p, err := netresearch.TryNewParser(options | netresearch.SecondOptional | netresearch.Minute | netresearch.Hour |
		netresearch.Dom | netresearch.Month | netresearch.Dow | netresearch.Descriptor)
	if err != nil {
		return nil, err
	}
	s, err := p.WithMaxSearchYears(years).Parse(pattern)
	if err != nil {
		return nil, err
	}
	return s.Next, nil
}

func parseGronx(pattern string) (nextFunc, error) {
	if !gronx.IsValid(pattern) {
		return nil, errors.New("not valid")
	}
	return func(after time.Time) time.Time {
		next, err := gronx.NextTickAfter(pattern, after, false)
		if err != nil {
			return time.Time{}
		}
		return next
	}, nil
}
