package redis

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

var (
	errClosed = core.ErrClosed
	errNoNode = errors.New("no node of the cluster is known for the key")
)

// A Trouble is a reason for which a server does not serve.
type Trouble string

// The troubles that are told apart.
const (
	Unreachable  Trouble = "unreachable"   // no answer, in time or at all
	WrongLogin   Trouble = "wrong login"   // NOAUTH, WRONGPASS
	NoPermission Trouble = "no permission" // NOPERM
	ReadOnly     Trouble = "read only"     // a replica
	Loading      Trouble = "loading"       // the server reads its data
	OutOfMemory  Trouble = "out of memory" // maxmemory, with noeviction
	NotSaving    Trouble = "not saving"    // MISCONF
	ScriptRuns   Trouble = "script runs"   // BUSY: somebody's script runs for long
	ClusterDown  Trouble = "cluster down"  // slots are not served, or are on their way
	NoReplicas   Trouble = "no replicas"   // fewer acknowledge than are asked for
	WrongType    Trouble = "wrong type"    // a key of ours holds something else
	WrongMode    Trouble = "wrong mode"    // a cluster and a client for one server, or the reverse
	Refused      Trouble = "refused"       // another answer, or another rule was broken
)

// A TroubleError says why the server could not be used, and what to do. It
// matches core.ErrUnavailable, and the error of the driver that it wraps.
type TroubleError struct {
	Trouble Trouble
	Cure    string
	Err     error
}

// Error returns the cause and the cure.
func (e *TroubleError) Error() string {
	s := "redis: " + string(e.Trouble)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Cure != "" {
		s += "; " + e.Cure
	}
	return s
}

// Unwrap returns what the error matches.
func (e *TroubleError) Unwrap() []error {
	if e.Err == nil {
		return []error{core.ErrUnavailable}
	}
	return []error{core.ErrUnavailable, e.Err}
}

// diagnose turns an error of the driver into a *TroubleError. Errors that match
// a sentinel of core already, and the end of a context, stay as they are.
func diagnose(err error) error {
	if err == nil || errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrClosed) {
		return err
	}
	for _, t := range []struct {
		is      bool
		trouble Trouble
		cure    string
	}{
		{goredis.IsAuthError(err), WrongLogin, "check the user name and the password"},
		{goredis.IsPermissionError(err) || errors.As(err, new(*rightError)), NoPermission, "grant the rights that the package documentation lists (see ACL)"},
		{goredis.IsReadOnlyError(err), ReadOnly, "this is a replica; connect to the master, or through Sentinel or the cluster"},
		{goredis.IsLoadingError(err), Loading, "the server is starting; try again"},
		{goredis.IsOOMError(err), OutOfMemory, "raise maxmemory or free memory; holds that exist are renewed and released all the same"},
		{goredis.HasErrorPrefix(err, "MISCONF"), NotSaving, "the server cannot write its snapshot to the disk and refuses writes"},
		{goredis.HasErrorPrefix(err, "BUSY "), ScriptRuns, "a script of somebody else keeps the server; see SCRIPT KILL"},
		{goredis.IsClusterDownError(err), ClusterDown, "some slots of the cluster are not served"},
		{underWay(err), ClusterDown, "the slot is being moved; try again"},
		{noCluster(err), WrongMode, "this is no cluster; use a client for one server"},
		{errors.Is(err, errNoNode), ClusterDown, "no node of the cluster could be asked for its slots"},
		{goredis.IsMasterDownError(err), ReadOnly, "the replica has lost its master"},
		{goredis.IsNoReplicasError(err), NoReplicas, "min-replicas-to-write is not met"},
		{goredis.HasErrorPrefix(err, "WRONGTYPE"), WrongType, "another program writes to keys of this prefix; choose another prefix"},
		{goredis.HasErrorPrefix(err, "MOVED"), WrongMode, "this is a cluster; use a cluster client"},
		{goredis.HasErrorPrefix(err, "CROSSSLOT"), WrongMode, "the keys of one lock fell into several slots; the HashTag option must return the same for the same name"},
		{answered(err), Refused, ""},
	} {
		if t.is {
			return &TroubleError{t.trouble, t.cure, err}
		}
	}
	return &TroubleError{Unreachable, "", err}
}

// noCluster reports whether a client for a cluster has asked a server that is part of
// none for its slots.
func noCluster(err error) bool {
	return err != nil && strings.Contains(err.Error(), "cluster support disabled")
}

// A rightError is what a server says when a script calls a command for which the
// user has no right. The server tells only the line.
type rightError struct {
	command string
	err     error
}

func (e *rightError) Error() string {
	return fmt.Sprintf("no permission for %s: %v", e.command, e.err)
}

func (e *rightError) Unwrap() error { return e.err }

// scriptLine finds the line in the messages of Redis 6 and 7.
var scriptLine = regexp.MustCompile(`user_script: ?(\d+)`)

// scriptCommand finds what a line of a script calls.
var scriptCommand = regexp.MustCompile(`call\('([A-Z]+)'`)

// lackingRight adds to such an error which right is missing.
func (c *call) lackingRight(err error) error {
	if err == nil || c.script == nil || !strings.Contains(err.Error(), "can't run this command") {
		return err
	}
	command := "a command"
	if at := scriptLine.FindStringSubmatch(err.Error()); at != nil {
		n, _ := strconv.Atoi(at[1])
		lines := strings.Split(c.script.source, "\n")
		if n >= 1 && n <= len(lines) {
			if found := scriptCommand.FindStringSubmatch(lines[n-1]); found != nil {
				command = found[1]
			}
		}
	}
	return &rightError{command, err}
}

// passing reports whether a trouble goes by while a server starts or a cluster
// is rearranged, so that a wait may as well go on.
func passing(err error) bool {
	var t *TroubleError
	if !errors.As(err, &t) {
		return false
	}
	switch t.Trouble {
	case Loading, ClusterDown, ReadOnly, Unreachable, ScriptRuns:
		return true
	}
	return false
}

// open reports whether a call that ended with err may have been, or may yet be,
// carried out. An answer says that it was not, unless the script ended in its
// middle, for want of a right or because its slot is being moved.
func open(err error) bool {
	if err == nil || errors.Is(err, errNoNode) || errors.Is(err, errNoneBack) || errors.Is(err, core.ErrClosed) {
		return false
	}
	return !answered(err) || errors.As(err, new(*rightError)) || torn(err)
}

// lost makes the reason why a hold ended an error that matches core.ErrLost.
func lost(why string) error { return fmt.Errorf("%w: %s", core.ErrLost, why) }

// over reports whether the caller's context, and not the server, ended a call.
func over(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, ctx.Err())
}
