package redisconn_test

import (
	"testing"

	"github.com/ignis-go/ignis/internal/redisconn"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	const six = "ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f4c48582e38c0e791): @user_script:32: "
	for reply, want := range map[string]redisconn.Kind{
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.": redisconn.CannotWrite,
		"OOM command not allowed when used memory > 'maxmemory'. script: 60b5, on @user_script:1.":         redisconn.CannotWrite,
		"NOREPLICAS Not enough good replicas to write.":                                                    redisconn.CannotWrite,
		"LOADING Redis is loading the dataset in memory":                                                   redisconn.Loading,
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.":           redisconn.Busy,
		"BUSYKEY Target key name already exists.":                                                          redisconn.Other,
		"BUSYGROUP Consumer Group name already exists":                                                     redisconn.Other,
		"READONLY You can't write against a read only replica.":                                            redisconn.Replica,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                 redisconn.Replica,
		"CLUSTERDOWN Hash slot not served":                                                                 redisconn.ClusterDown,
		"TRYAGAIN Multiple keys request during rehashing of slot":                                          redisconn.InMotion,
		"MOVED 3999 127.0.0.1:6381":                                                                        redisconn.Redirected,
		"ASK 3999 127.0.0.1:6381":                                                                          redisconn.Redirected,
		"REDIRECT 127.0.0.1:6381":                                                                          redisconn.Redirected,
		"NOSCRIPT No matching script. Please use EVAL.":                                                    redisconn.NoScript,
		"NOPERM this user has no permissions to run the 'info' command":                                    redisconn.NoRights,
		"NOPERM ACL failure in script: User u has no permissions to run the 'hset' command":                redisconn.NoRights,
		"ERR The user executing the script can't run this command or subcommand script: 60b5":              redisconn.NoRights,
		"ERR The user executing the script can't access at least one of the keys mentioned":                redisconn.NoRights,
		"ERR unknown command 'EVALSHA', with args beginning with: ":                                        redisconn.NoCommand,
		"ERR Unknown subcommand or wrong number of arguments for 'X'":                                      redisconn.NoCommand,
		"ERR Unknown Redis command called from script script: 7ae0187b":                                    redisconn.NoCommand,
		"NOAUTH Authentication required.":                                                                  redisconn.Unauthenticated,
		"WRONGPASS invalid username-password pair or user is disabled.":                                    redisconn.NoAccess,
		"DENIED Redis is running in protected mode because":                                                redisconn.NoAccess,
		"ERR invalid password":                                                                             redisconn.NoAccess,
		"ERR DB index out of range":                                                                        redisconn.NoAccess,
		"ERR AUTH <password> called without any password configured for the default user.":                 redisconn.NoAccess,
		"ERR Client sent AUTH, but no password is set":                                                     redisconn.NoAccess,
		"ERR invalid DB index":                                                                             redisconn.NoAccess,
		"ERR SELECT is not allowed in cluster mode":                                                        redisconn.NoAccess,

		"ERR something else":                redisconn.Other,
		"WRONGTYPE Operation against a key": redisconn.Other,
		"":                                  redisconn.Other,
		"Error running script (call to ":    redisconn.Other,
		"Error running script (call to f): @user_script:": redisconn.Other,

		// Redis 6's reply to a command of a script.
		six + "@user_script: 32: -READONLY You can't write against a read only replica.":                    redisconn.Replica,
		six + "@user_script: 32: -OOM command not allowed when used memory > 'maxmemory'.":                  redisconn.CannotWrite,
		six + "@user_script: 32: -MISCONF Redis is configured to save RDB snapshots":                        redisconn.CannotWrite,
		six + "@user_script: 32: -NOREPLICAS Not enough good replicas to write.":                            redisconn.CannotWrite,
		six + "@user_script: 32: The user executing the script can't run this command or subcommand":        redisconn.NoRights,
		six + "@user_script: 32: Unknown Redis command called from script":                                  redisconn.NoCommand,
		six + "WRONGTYPE Operation against a key holding the wrong kind of value that is called READONLY x": redisconn.Other,
	} {
		if got := redisconn.KindOf(reply); got != want {
			t.Errorf("%q is of kind %d, want %d", reply, got, want)
		}
	}
}
