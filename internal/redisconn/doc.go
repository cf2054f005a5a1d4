// Package redisconn makes the connections of the Redis client in redisbus and rediscron, and
// checks what Redis sends before the client reads it.
//
// [NewTarget] determines which Redis to use, from a URL or from a client's options. The
// Target returns options for clients that connect with [Open].
//
// The client, github.com/redis/rueidis, trusts its server. A negative or huge length, an
// unrequested reply, or a reply whose shape does not fit its command ends the process: the
// client panics in one of its goroutines, where the panic cannot be recovered, or tries to
// allocate too much memory. [Wrap] puts a [Conn] between the two, above TLS. The Conn
// follows the commands that the client writes and the replies that arrive, byte by byte,
// without copying or allocating. At the first invalid byte it closes the connection with
// an [Error]. Complete replies before it are passed to the client; the invalid byte never
// is.
//
// These are the places where the client (version 1.0.79) trusts its server, and the
// checks that protect each of them:
//
//	resp.go readB       make([]byte, n)            lengths: decimal, -1 only as $-1, up to Limit
//	resp.go readA       make([]RedisMessage, n)    the same, and maxElements in one reply
//	resp.go readMap     readA(2*n), also for %-1   no null of this type
//	resp.go readArray   null for ~-1 and >-1       no null of these types
//	resp.go readBlob..  strings.Builder.Grow(n)    no streamed strings ($?) and chunks (;)
//	resp.go readE       appends until the end      no streamed aggregates (*?) and ends (.)
//	resp.go readNext..  loops over attributes      no attributes (|)
//	resp.go readNext..  calls itself               maxDepth
//	resp.go readS       reads to the next \n       maxLine
//	resp.go readI       int64 overflows            19 digits at most, within int64
//	pipe.go read loop   panic(protocolbug)         a reply only to a command that waits for one, a
//	                                               confirmation only to a command of its kind, no other
//	                                               reply before the last of its confirmations
//	pipe.go read loop   panic(multiexecsub)        no QUEUED, not even as an error, to commands that subscribe
//	pipe.go read loop   panic after UNSUBSCRIBE    an error to it is followed by the reply to the client's PING
//	pipe.go read loop   pushes in arrays (Redis 6) pushes only at the top level
//	pipe.go read loop   RESP2: arrays are pushes   checked as pushes once the connection has subscribed
//	message.go IsMoved  Split(text, " ")[2]        MOVED and ASK have three fields, REDIRECT has two
//	sentinel.go         Role()[0]                  an array in reply to ROLE has at least one element
//	sentinel.go         master's address [0], [1]  an array with it has at least two
//	sentinel.go         fields of events           events such as +switch-master have enough fields
//
// The client's cache is not in the list, because it must not be enabled on such a
// connection. An invalidation is an unrequested push, which closes the connection.
//
// [KindOf] classifies error replies for the packages that decide what they mean.
package redisconn
