package launch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/hosting"
)

// The faults of declared definitions are reported with those of the rest of the
// configuration, also secrets that definitions may not use.
func TestFaultsOfDeclaredSyncsAreReportedWithTheOthers(t *testing.T) {
	t.Parallel()
	env := map[string]string{"CONFIG": `{"live":{"path":"ws"},"sync":{"secrets":[]},"syncs":[
		{"id":"a","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":["t"],"options":{"delimeter":";"}}},
		{"id":"b","orgId":"o","type":"pull","datasource":{"type":"api","url":"https://api.example.com","selectedDatatypes":["t"],
			"options":{"list":"{type}","auth":{"type":"bearer","token":"env:TOKEN"}}}}]}`}
	_, _, err := Settings{Platform: hosting.Machine}.LoadConfig(func(name string) string { return env[name] })
	require.ErrorContains(t, err, "$.live.path: ")
	require.ErrorContains(t, err, "$.syncs[0].datasource.options.delimeter: ")
	require.ErrorContains(t, err, "$.syncs[1].datasource.options.auth.token: ")
}
