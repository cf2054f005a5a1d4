package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Status is how far a job is, and the data of the event "job".
type Status struct {
	ID      string `json:"id"`
	Report  string `json:"report"`
	State   string `json:"state"` // waiting, running, retrying, done or failed
	Percent int    `json:"percent"`
	Detail  string `json:"detail"`
}

// Notice is a notification, and the data of the event "notice".
type Notice struct {
	ID    string    `json:"id"`
	Title string    `json:"title"`
	Text  string    `json:"text"`
	Bad   bool      `json:"bad,omitempty"`
	Read  bool      `json:"read,omitempty"`
	At    time.Time `json:"at"`
}

// Inbox keeps the jobs and the notices of users in Redis for a week, so that a page that was
// closed shows them when it is opened.
type Inbox struct{ Redis rueidis.Client }

const week = 7 * 24 * 60 * 60 // in seconds

// SetStatus stores how far a job is.
func (i *Inbox) SetStatus(ctx context.Context, user string, s Status) error {
	return i.set(ctx, "notify:status:"+user, s.ID, s)
}

// Add stores a notice, unless one with its ID is there. It reports whether there was none.
func (i *Inbox) Add(ctx context.Context, user string, n Notice) (bool, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return false, err
	}
	key := "notify:notices:" + user
	added, err := i.Redis.Do(ctx, i.Redis.B().Hsetnx().Key(key).Field(n.ID).Value(string(text)).Build()).AsBool()
	if err != nil {
		return false, err
	}
	return added, i.Redis.Do(ctx, i.Redis.B().Expire().Key(key).Seconds(week).Build()).Error()
}

// MarkRead marks all notices of a user as read.
func (i *Inbox) MarkRead(ctx context.Context, user string) error {
	_, notices, err := i.Load(ctx, user)
	for _, n := range notices {
		if !n.Read {
			n.Read = true
			err = errors.Join(err, i.set(ctx, "notify:notices:"+user, n.ID, n))
		}
	}
	return err
}

// Load returns the jobs and the notices of a user, the newest first.
func (i *Inbox) Load(ctx context.Context, user string) (jobs []Status, notices []Notice, err error) {
	jobs, err = load[Status](ctx, i.Redis, "notify:status:"+user)
	if err != nil {
		return nil, nil, err
	}
	notices, err = load[Notice](ctx, i.Redis, "notify:notices:"+user)
	slices.SortFunc(jobs, func(a, b Status) int { return strings.Compare(b.ID, a.ID) }) // IDs begin with the time
	slices.SortFunc(notices, func(a, b Notice) int { return b.At.Compare(a.At) })
	return jobs, notices, err
}

func (i *Inbox) set(ctx context.Context, key, field string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	answers := i.Redis.DoMulti(ctx,
		i.Redis.B().Hset().Key(key).FieldValue().FieldValue(field, string(text)).Build(),
		i.Redis.B().Expire().Key(key).Seconds(week).Build())
	return errors.Join(answers[0].Error(), answers[1].Error())
}

func load[T any](ctx context.Context, redis rueidis.Client, key string) ([]T, error) {
	texts, err := redis.Do(ctx, redis.B().Hvals().Key(key).Build()).AsStrSlice()
	list := make([]T, len(texts))
	for n, text := range texts {
		err = errors.Join(err, json.Unmarshal([]byte(text), &list[n]))
	}
	return list, err
}
