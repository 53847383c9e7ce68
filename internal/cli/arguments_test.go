package cli

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// parsed returns the flags that were given and the operands, of the command that args
// call.
func parsed(t *testing.T, args ...string) (path string, given map[string]string, operands []string) {
	t.Helper()
	p := &Process{Getenv: noEnv}
	root := newRoot(p)
	commands(root, func(cmd *cobra.Command) {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			path, given, operands = cmd.CommandPath(), map[string]string{}, args
			for name := range flagsOf(root) {
				if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
					given[f.Name] = f.Value.String()
				}
			}
			return nil
		}
	})
	root.SetArgs(arguments(root, args))
	require.NoError(t, root.Execute(), "%q", args)
	return path, given, operands
}

// Flags had one dash before they had two, and scripts still do.
func TestOneDashFlags(t *testing.T) {
	t.Parallel()
	store := map[string]string{
		"config": "gate.json", "store": "firestore", "bus": "pubsub", "data": "/var/data", "project": "p", "database": "d",
	}
	serve := map[string]string{"addr": ":9000", "function": "ingest"}
	for name, value := range store {
		serve[name] = value
	}
	mock := map[string]string{"addr": ":9000", "rows": "7"}
	for _, c := range []struct {
		command  []string
		values   map[string]string
		switches []string
		operands []string
	}{
		{nil, serve, nil, nil},
		{[]string{"serve"}, serve, nil, nil},
		{[]string{"sync", "run"}, map[string]string{"method": "pull"}, []string{"json", "validate", "allow-deletes"}, []string{"x.json"}},
		{[]string{"sync", "run"}, store, nil, []string{"x.json"}},
		{[]string{"sync", "list"}, store, []string{"json"}, nil},
		{[]string{"sync", "runs"}, store, []string{"json"}, []string{"x"}},
		{[]string{"sync", "rejects"}, store, []string{"json"}, []string{"x"}},
		{[]string{"backup"}, map[string]string{"data": "/var/data"}, nil, []string{"x.db"}},
		{[]string{"restore"}, map[string]string{"data": "/var/data"}, nil, []string{"x.db"}},
		{[]string{"mock", "sync-server"}, mock, nil, nil},
		{[]string{"mock", "openfn"}, mock, nil, nil},
		{[]string{"mock", "mywell"}, mock, nil, nil},
		{[]string{"mock", "external-data"}, map[string]string{"addr": ":9000"}, nil, nil},
	} {
		check := func(name, value string, spelt ...string) {
			for _, args := range [][]string{
				append(append(append([]string{}, c.command...), c.operands...), spelt...),
				append(append(append([]string{}, c.command...), spelt...), c.operands...),
				append(append(append([]string{}, spelt...), c.command...), c.operands...), // before the command
			} {
				path, given, operands := parsed(t, args...)
				want := name
				if want == "v" {
					want = "verbose"
				}
				require.Equal(t, map[string]string{want: value}, given, "%q", args)
				require.Len(t, operands, len(c.operands), "%q", args)
				for _, word := range c.command {
					require.Contains(t, path, word)
				}
			}
		}
		for name, value := range c.values {
			check(name, value, "-"+name, value)
			check(name, value, "-"+name+"="+value)
			check(name, value, "--"+name, value)
			check(name, value, "--"+name+"="+value)
		}
		for _, name := range c.switches {
			check(name, "true", "-"+name)
			check(name, "true", "-"+name+"=true")
			check(name, "false", "-"+name+"=false")
			check(name, "true", "--"+name)
		}
	}
	for _, spelt := range []string{"-v", "--v", "-v=true", "--verbose"} {
		for _, args := range [][]string{{spelt}, {"serve", spelt}, {spelt, "serve"}} {
			_, given, _ := parsed(t, args...)
			require.Equal(t, map[string]string{"verbose": "true"}, given, "%q", args)
		}
	}
	for _, spelt := range [][]string{{"-fault", "rate500=0.5"}, {"-fault=rate500=0.5"}, {"--fault", "rate500=0.5"}} {
		_, given, _ := parsed(t, append([]string{"mock", "openfn"}, spelt...)...)
		require.Contains(t, given, "fault")
	}
	for _, spelt := range []string{"-h", "-help", "--help", "--h"} {
		for _, args := range [][]string{{"serve", spelt}, {spelt, "serve"}} {
			status, stdout, _ := headgate(t, nil, args...)
			require.Zero(t, status)
			require.Contains(t, stdout, "headgate serve [flags]", "%q", args)
		}
	}
}

// Arguments that are no flags stay unchanged.
func TestArgumentsThatAreNoFlags(t *testing.T) {
	t.Parallel()
	root := newRoot(&Process{Getenv: noEnv})
	for _, args := range [][]string{
		{"sync", "run", "--", "-data", "-json"},
		{"sync", "run", "--data", "-json"},
		{"sync", "run", "-"},
		{"sync", "run", ""},
		{"__complete", "sync", "run", "-json", ""},
		{"--data"},
		{"-x"},
	} {
		require.Equal(t, args, arguments(root, args))
	}
}

// Where two commands have a flag of one name, both take a value or none does: it may
// stand before either of them.
func TestFlagsOfOneNameAreAlike(t *testing.T) {
	t.Parallel()
	root := newRoot(&Process{Getenv: noEnv})
	known := flagsOf(root)
	commands(root, func(cmd *cobra.Command) {
		for name, f := range known {
			if here := cmd.Flags().Lookup(name); here != nil {
				require.Equal(t, f.NoOptDefVal, here.NoOptDefVal, "%s --%s", cmd.CommandPath(), name)
			}
		}
	})
}
