package redisconn

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/rueidis"
)

// Mode determines how the node to connect to is found.
type Mode int

// The modes.
const (
	Single   Mode = iota // the Redis at the only address
	Sentinel             // the master that the Sentinels at the addresses report
	Cluster              // any node of the Cluster that the addresses belong to
	Detect               // Cluster if the node at the only address belongs to one, or else Single
)

// Target is the Redis that a configuration refers to.
type Target struct {
	Mode   Mode
	Addrs  []string
	Option rueidis.ClientOption // credentials, TLS, database, dialing
}

// NewTarget returns the Redis that a URL or the options of a client refer to. Exactly one of
// them must be given.
func NewTarget(url string, option *rueidis.ClientOption) (Target, error) {
	if option == nil {
		return parseURL(url)
	}
	if url != "" {
		return Target{}, errors.New("URL and Option are both set; want one of them")
	}
	o := *option
	if len(o.InitAddress) == 0 {
		return Target{}, errors.New("Option.InitAddress: want at least one address")
	}
	t := Target{Addrs: slices.Clone(o.InitAddress)}
	switch {
	case o.Sentinel.MasterSet != "":
		t.Mode = Sentinel
	case o.ForceSingleClient || o.Standalone.EnableRedirect || len(o.Standalone.ReplicaAddress) > 0:
		t.Mode, t.Addrs = Single, t.Addrs[:1]
	case len(o.InitAddress) > 1:
		t.Mode = Cluster
	default:
		t.Mode = Detect
	}
	// Copy only the options that are needed to reach Redis.
	t.Option = rueidis.ClientOption{
		TLSConfig: o.TLSConfig.Clone(), DialFn: o.DialFn, DialCtxFn: o.DialCtxFn, Dialer: o.Dialer,
		Username: o.Username, Password: o.Password, AuthCredentialsFn: o.AuthCredentialsFn,
		SelectDB: o.SelectDB, AlwaysRESP2: o.AlwaysRESP2, ClientSetInfo: slices.Clone(o.ClientSetInfo),
		Sentinel: o.Sentinel,
	}
	t.Option.Sentinel.TLSConfig = o.Sentinel.TLSConfig.Clone()
	return t, nil
}

// String returns a description of the target without credentials.
func (t Target) String() string {
	list := strings.Join(t.Addrs, ",")
	switch t.Mode {
	case Sentinel:
		return fmt.Sprintf("redis master %q behind the sentinels at %s", t.Option.Sentinel.MasterSet, list)
	case Cluster:
		return "redis cluster at " + list
	default:
		return "redis at " + list
	}
}
