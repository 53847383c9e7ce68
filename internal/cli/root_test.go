package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args  []string
		want  string
		usage string
	}{
		"misspelt command":      {[]string{"snyc"}, `no command "snyc": did you mean sync?`, "headgate COMMAND"},
		"unknown command":       {[]string{"dance"}, `no command "dance"`, "headgate COMMAND"},
		"misspelt, with flags":  {[]string{"snyc", "list", "--url", "http://x", "--json"}, `no command "snyc": did you mean sync?`, "headgate COMMAND"},
		"misspelt, with a flag": {[]string{"sync", "lsit", "--data", "x"}, `no command "lsit": did you mean list?`, "headgate sync COMMAND"},
		"unknown flag":          {[]string{"--colour", "red"}, "unknown flag: --colour", "headgate [flags]"},
		"unknown one-dash flag": {[]string{"-colour", "red"}, "unknown flag: --colour", "headgate [flags]"},
		"flag without a value":  {[]string{"serve", "-addr"}, "flag needs an argument: --addr", "headgate serve [flags]"},
		"stray operand":         {[]string{"serve", "now"}, `unexpected "now"`, "headgate serve [flags]"},
		"no sync command":       {[]string{"sync"}, "sync needs a command", "headgate sync COMMAND"},
		"misspelt sync command": {[]string{"sync", "lsit"}, `no command "lsit": did you mean list?`, "headgate sync COMMAND"},
		"no operand":            {[]string{"sync", "run"}, "sync run needs an ID or a FILE", "headgate sync run {ID | FILE} [flags]"},
		"one operand too many":  {[]string{"sync", "runs", "a", "b"}, `sync runs takes one ID: unexpected "b"`, "headgate sync runs ID [flags]"},
		"one FILE too many":     {[]string{"sync", "run", "a", "b"}, `sync run takes one ID or FILE: unexpected "b"`, "headgate sync run {ID | FILE} [flags]"},
		"misspelt flag":         {[]string{"sync", "run", "a", "--validat"}, "unknown flag: --validat: did you mean --validate?", "headgate sync run {ID | FILE} [flags]"},
		"misspelt, one dash":    {[]string{"-adr", "x"}, "unknown flag: --adr: did you mean --addr?", "headgate [flags]"},
		"method":                {[]string{"sync", "run", "x", "--method", "teleport"}, `--method must be pull, push or both, not "teleport"`, "headgate sync run {ID | FILE} [flags]"},
		"help of no command":    {[]string{"help", "dance"}, `no command "dance"`, "headgate help [COMMAND]"},
		"help, misspelt":        {[]string{"help", "sync", "lsit"}, `no command "lsit": did you mean list?`, "headgate help [COMMAND]"},
		"help of an operand":    {[]string{"help", "sync", "runs", "x"}, `unexpected "x": sync runs has no commands`, "headgate help [COMMAND]"},
		"--help of no command":  {[]string{"dance", "--help"}, `no command "dance"`, "headgate COMMAND"},
		"--help, misspelt":      {[]string{"snyc", "list", "--url", "http://x", "--help"}, `no command "snyc": did you mean sync?`, "headgate COMMAND"},
		"--help before it":      {[]string{"-help", "sync", "lsit"}, `no command "lsit": did you mean list?`, "headgate sync COMMAND"},
		"--help of no shell":    {[]string{"completion", "tcsh", "-h"}, `no shell "tcsh"`, "headgate completion SHELL"},
		"--help of no server":   {[]string{"mock", "mywel", "--help"}, `no server "mywel": did you mean mywell?`, "headgate mock SERVER"},
		"--version of that":     {[]string{"dance", "--version"}, `no command "dance"`, "headgate COMMAND"},
		"operand after dashes":  {[]string{"--", "sync"}, `unexpected "sync"`, "headgate [flags]"},
		"no server":             {[]string{"mock"}, "mock needs a server", "headgate mock SERVER"},
		"flag of a group":       {[]string{"sync", "--colour"}, "unknown flag: --colour", "headgate sync COMMAND"},
		"store":                 {[]string{"sync", "list", "--store", "paper"}, `--store "paper": must be sqlite or firestore`, "headgate sync list [flags]"},
		"function":              {[]string{"serve", "--function", "dance"}, `--function "dance": must be one of ingest, `, "headgate serve [flags]"},
		"validate, and method":  {[]string{"sync", "run", "x", "--validate", "--method", "push"}, "--validate and --method exclude each other", "headgate sync run {ID | FILE} [flags]"},
		"empty URL":             {[]string{"sync", "delete", "x", "--url", ""}, "--url is empty", "headgate sync delete ID [flags]"},
		"empty directory":       {[]string{"sync", "list", "--data="}, "--data is empty", "headgate sync list [flags]"},
		"database of SQLite":    {[]string{"sync", "list", "--database", "d"}, "--database is for Firestore: add --store firestore", "headgate sync list [flags]"},
		"database, serving":     {[]string{"--database", "d"}, "--database is for Firestore: add --store firestore", "headgate [flags]"},
		"directory, Firestore":  {[]string{"--store", "firestore", "--data", "x"}, "--data is for the embedded store", "headgate [flags]"},
		"project of SQLite":     {[]string{"sync", "list", "--project", "p"}, "--project is for Google Cloud: add --store firestore or --bus pubsub", "headgate sync list [flags]"},
		"token, Firestore":      {[]string{"sync", "list", "--store", "firestore", "--token", "t"}, "--token is for a deployment at --url", "headgate sync list [flags]"},
		"flag of others":        {[]string{"config", "check", "x", "--data", "y"}, "unknown flag: --data", "headgate config check FILE"},
		"unknown shell":         {[]string{"completion", "tcsh"}, `no shell "tcsh"`, "headgate completion SHELL"},
		"two places":            {[]string{"sync", "list", "--url", "http://x", "--data", "y"}, "--url and --data exclude each other", "headgate sync list [flags]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := headgate(t, nil, c.args...)
			require.Equal(t, exitUsage, status)
			require.Empty(t, stdout)
			require.True(t, strings.HasPrefix(stderr, "headgate: "+c.want), stderr)
			require.Contains(t, stderr, "\n  "+c.usage+"\n")
			require.Equal(t, 1, strings.Count(stderr, c.want), "an error is printed once")
		})
	}
}
