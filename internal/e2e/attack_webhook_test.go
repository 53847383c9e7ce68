package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Changes for a target that does not answer do not fill the disk.
func TestAttackWebhookBacklog(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := start(t, options{data: data})
	p.must(t, "POST", "/register-for-webhook", `{"url":"http://127.0.0.1:1/dead","externalTaskListId":"L"}`)
	size := func() (sum int64) {
		require.NoError(t, filepath.WalkDir(data, func(_ string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if info, err := d.Info(); err == nil {
					sum += info.Size()
				}
			}
			return nil
		}))
		return sum
	}
	change := func(version int) {
		var tasks []string
		for i := range 900 {
			tasks = append(tasks, fmt.Sprintf(`"%d":{"name":"x%d%s","priority":%d}`, i, version, strings.Repeat("y", 180), version))
		}
		p.must(t, "POST", "/external-data-webhook?externalTaskListId=L", `{"data":{`+strings.Join(tasks, ",")+`}}`)
	}
	for version := range 20 { // until the log of the store has reached its size
		change(version)
	}
	before := size()
	for version := range 80 {
		change(20 + version)
	}
	require.Less(t, size()-before, int64(6<<20), "80 changes of 190 KB, %d bytes before", before)
	require.Contains(t, p.must(t, "GET", "/webhooks", ""), `"replaced":`)
}
