package redisbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// errNoRole means that the user has no right to query the role of a node.
var errNoRole = errors.New("the role is unknown")

// master returns nil if the node is a master, errNoRole if that cannot be determined, and
// otherwise the reason why the node must not be used: messages published on a replica do not
// reach its master.
func (l *link) master(parent context.Context) error {
	ctx, cancel := context.WithTimeout(parent, l.timeout)
	defer cancel()
	result := l.client.Do(ctx, l.client.B().Role().Build())
	if err := result.Error(); err != nil {
		if err = judge(toRole, err); err != nil {
			return late(parent, err, l.timeout)
		}
		node, err := l.hello(ctx)
		if err != nil {
			return late(parent, err, l.timeout)
		}
		return checkRole(node.role, "")
	}
	reply, err := result.ToArray()
	if err != nil || len(reply) == 0 {
		return errors.New("malformed reply to ROLE")
	}
	role, err := reply[0].ToString()
	if err != nil {
		return errors.New("malformed reply to ROLE")
	}
	of := ""
	if len(reply) > 2 {
		host, _ := reply[1].ToString()
		port, _ := reply[2].AsInt64()
		of = " of " + net.JoinHostPort(host, strconv.FormatInt(port, 10))
	}
	return checkRole(role, of)
}

func checkRole(role, of string) error {
	switch role {
	case "master":
		return nil
	case "slave", "replica":
		return &astray{fmt.Errorf("this node is a replica%s: messages published on it do not reach the subscribers of its master", of)}
	case "sentinel":
		return &refusal{errors.New("this is a Sentinel, not a Redis; use redis+sentinel:// for Sentinels")}
	case "":
		return errNoRole
	}
	return fmt.Errorf("this node is not a master; its role is %.40q", role)
}

// helloInfo is the information about a node in its reply to HELLO. "" means that it is
// missing.
type helloInfo struct {
	role string // master, replica
	mode string // standalone, cluster, sentinel
}

// hello queries the role and mode of a node. Access control lists allow HELLO to every user.
func (l *link) hello(ctx context.Context) (helloInfo, error) {
	result := l.client.Do(ctx, l.client.B().Arbitrary("HELLO").Build())
	if err := result.Error(); err != nil {
		return helloInfo{}, judge(toRole, err)
	}
	fields, err := result.AsMap()
	if err != nil {
		return helloInfo{}, nil //nolint:nilerr // an unknown format has no information
	}
	text := func(name string) string {
		value, ok := fields[name]
		if !ok {
			return ""
		}
		s, _ := value.ToString()
		return s
	}
	return helloInfo{role: text("role"), mode: text("mode")}, nil
}
