package redis

import "strings"

// ACL returns the rules of a user that can lock with that prefix ("" for the
// default) and do nothing else, for ACL SETUSER, which needs a name before and a
// password after it:
//
//	ACL SETUSER locker on >secret <rules>
//
// For a cluster the rights to ask for its slots are added. A HashTag option
// changes nothing: all keys begin with the prefix. Neither SCAN, which List
// needs, nor INFO, which Check makes use of, is among them.
func ACL(prefix string, cluster bool) []string {
	if prefix == "" {
		prefix = "distlock"
	}
	commands := []string{
		"eval", "evalsha", "script|load", // the protocol
		"get", "mget", "set", "del", "exists", "pexpire", "pttl", // a Lock, and who a provider is
		"zadd", "zrem", "zcard", "zcount", "zscore", "zrank", "zrange", "zrangebyscore", // holders and queues
		"hget", "hset", "hdel", "time",
		"publish", "subscribe", "unsubscribe", "pubsub|numsub", // hand-over
		"ping", "hello", "wait",
	}
	if cluster {
		commands = append(commands, "cluster|slots", "cluster|shards", "command", "asking", "readonly")
	}
	return strings.Fields("resetkeys resetchannels -@all ~" + prefix + ":* &" + prefix + ":n:* +" + strings.Join(commands, " +"))
}
