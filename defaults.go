package ignis

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/ignis-go/ignis/internal/limit"
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// withDefaults returns c with defaults for all zero values, or an error if c is invalid.
func (c Config) withDefaults() (Config, error) {
	if c.Authenticate == nil {
		return c, errors.New("ignis: Config.Authenticate is required: it decides who may connect")
	}
	if c.Bus == nil {
		c.Bus = soloBus{}
	}
	if c.DefaultRooms == nil {
		c.DefaultRooms = []string{wire.RoomDefault, wire.RoomNotification}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Encryption > EncryptionRequired {
		return c, fmt.Errorf("ignis: Config.Encryption is %v: want EncryptionOff, EncryptionOptional or EncryptionRequired", c.Encryption)
	}
	if int(c.SlowPolicy) >= len(slowPolicyNames) {
		return c, fmt.Errorf("ignis: Config.SlowPolicy is %v: want SlowDisconnect, SlowDropNewest, SlowDropOldest or SlowLatest", c.SlowPolicy)
	}
	if int(c.UserPolicy) >= len(userPolicyNames) {
		return c, fmt.Errorf("ignis: Config.UserPolicy is %v: want UserRefuseNew or UserCloseOldest", c.UserPolicy)
	}
	for _, room := range c.DefaultRooms {
		if room == "" {
			return c, errors.New("ignis: Config.DefaultRooms must not contain an empty name")
		}
	}
	ints := []struct {
		name string
		v    *int
		def  int
	}{
		{"MaxClients", &c.MaxClients, math.MaxInt},
		{"UpgradeBurst", &c.UpgradeBurst, 20_000},
		{"UpgradeBurstPerAddress", &c.UpgradeBurstPerAddress, 2000},
		{"MaxToken", &c.MaxToken, 8 << 10},
		{"AuthQueue", &c.AuthQueue, 4096},
		{"AuthFailureBurst", &c.AuthFailureBurst, 200},
		{"MessageBurst", &c.MessageBurst, 1000},
		{"ByteBurst", &c.ByteBurst, 16 << 20},
		{"JoinBurst", &c.JoinBurst, 256},
		{"MaxRooms", &c.MaxRooms, 128},
		{"MaxRoomsPerRequest", &c.MaxRoomsPerRequest, 128},
		{"MaxPayload", &c.MaxPayload, wire.DefaultMaxPayload},
		{"MaxMessage", &c.MaxMessage, wire.DefaultMaxMessage},
		{"AuthMaxPayload", &c.AuthMaxPayload, wire.DefaultAuthMaxPayload},
		{"AuthMaxFrames", &c.AuthMaxFrames, wire.DefaultAuthMaxFrames},
		{"AuthMaxMistakes", &c.AuthMaxMistakes, wire.DefaultAuthMaxMistakes},
		{"BackpressureLimit", &c.BackpressureLimit, wire.DefaultBackpressureLimit},
		{"SealConcurrency", &c.SealConcurrency, 10},
		{"MaxRevocations", &c.MaxRevocations, 1 << 16},
	}
	for _, f := range ints {
		if *f.v < 0 {
			return c, fmt.Errorf("ignis: Config.%s must not be negative", f.name)
		}
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	for _, f := range []struct { // where a negative value means no limit
		v   *int
		def int
	}{
		{&c.MaxClientsPerAddress, 4096},
		{&c.MaxClientsPerUser, 1000},
		{&c.UpgradeRate, 5000},
		{&c.UpgradeRatePerAddress, 100},
		{&c.AuthConcurrency, 256},
		{&c.AuthFailureRate, 60},
		{&c.MessageRate, 200},
		{&c.ByteRate, 4 << 20},
		{&c.JoinRate, 20},
	} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	c.JoinBurst = max(c.JoinBurst, c.MaxRooms)
	// These are effectively unlimited, but must not overflow when multiplied.
	c.MaxRooms = min(c.MaxRooms, math.MaxInt/2)
	c.BackpressureLimit = min(c.BackpressureLimit, math.MaxInt/8)
	durations := []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"AuthTimeout", &c.AuthTimeout, wire.DefaultAuthTimeout},
		{"HeartbeatInterval", &c.HeartbeatInterval, wire.DefaultHeartbeatInterval},
		{"HeartbeatTimeout", &c.HeartbeatTimeout, wire.DefaultHeartbeatTimeout},
		{"WriteTimeout", &c.WriteTimeout, wire.DefaultWriteTimeout},
		{"ThrottleTimeout", &c.ThrottleTimeout, 30 * time.Second},
		{"BehindTimeout", &c.BehindTimeout, wire.DefaultBehindTimeout},
		{"CloseTimeout", &c.CloseTimeout, 3 * time.Second},
		{"SealTimeout", &c.SealTimeout, 10 * time.Second},
		{"ShutdownTimeout", &c.ShutdownTimeout, 10 * time.Second},
		{"DrainDelay", &c.DrainDelay, 0},
		{"MaxConnectionAge", &c.MaxConnectionAge, math.MaxInt64},
	}
	for _, f := range durations {
		if *f.v < 0 {
			return c, fmt.Errorf("ignis: Config.%s must not be negative", f.name)
		}
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	c.CloseTimeout = min(c.CloseTimeout, c.ShutdownTimeout)
	c.DrainDelay, c.DrainWindow = min(c.DrainDelay, math.MaxInt64/4), min(c.DrainWindow, math.MaxInt64/4)
	c.AuthTimeout = min(c.AuthTimeout, math.MaxInt64/(2*wire.AuthTimeoutFactor))
	if c.IdleTimeout == 0 {
		c.IdleTimeout = wire.DefaultIdleTimeout
	}
	return c, nil
}

// minSendBuffer is the size in bytes that a socket's buffer needs for writes of a
// reasonable size.
const minSendBuffer = 16 << 10

// transport returns the options for the connections of a server.
func (c Config) transport() ws.Options {
	return ws.Options{
		MaxPayload:        c.MaxPayload,
		StrangerPayload:   c.AuthMaxPayload,
		StrangerFrames:    c.AuthMaxFrames,
		BackpressureLimit: c.BackpressureLimit,
		SendBuffer:        max(c.BackpressureLimit/4, minSendBuffer), // Linux doubles this
		CloseTimeout:      c.CloseTimeout,
		Frames:            limit.Per(c.MessageRate, time.Second, c.MessageBurst),
		Bytes:             limit.Per(c.ByteRate, time.Second, c.ByteBurst),
		ThrottleTimeout:   c.ThrottleTimeout,
	}
}
