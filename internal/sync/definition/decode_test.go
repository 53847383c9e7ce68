package definition_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
)

func TestTheFormsOfADefinition(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"id":"s","orgId":"default","type":"both","datasource":{"type":"table"}}`,
		`{"data":{"id":"s","orgId":"default","type":"both","datasource":{"type":"table"}}}`,
		`{"id":"s","externalSync":{"type":"table"}}`,
	} {
		s, err := definition.Decode([]byte(body))
		require.NoError(t, err, body)
		require.Equal(t, "s", s.ID)
		require.Equal(t, "default", s.OrgID)
		require.Equal(t, definition.Both, s.Type)
		require.Equal(t, "table", s.Datasource.Type)
	}
}

func TestWhatIsNoDefinition(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"{\n \"id\": }":                    "not JSON: line 2, column 8",
		`{}{}`:                             "not JSON: line 1, column 3",
		`[]`:                               "must be an object, not an array",
		`{"type":3}`:                       "type: must be a string, not a number",
		`{"colour":"red"}`:                 "colour: unknown field",
		`{"data":{"colour":"red"}}`:        "colour: unknown field",
		`{"data":{},"more":1}`:             "more: unknown field",
		`{"externalSync":{},"typ":"pull"}`: "typ: unknown field",
		`{"externalSync":{},"overlap":"48h","mapping":{"event":{"cursor":{"time":"t"}}}}`: "overlap: stands in mapping.event.cursor already",
		`{"type":"x","extraFields":[],"datasource":{}}`:                                   "extraFields: unknown field",
	} {
		_, err := definition.Decode([]byte(body))
		require.Equal(t, fault.Invalid, fault.CodeOf(err), body)
		require.ErrorContains(t, err, want, body)
	}
}

// An unknown field hides no other fault, neither one of the form nor one of the meaning.
func TestAllFaultsOfADefinitionAtOnce(t *testing.T) {
	t.Parallel()
	const body = `{"orgld":"o","type":"sideways","isOneTime":"yes","frequency":"sometimes",
		"datasource":{"type":"table","selectedDatatypes":["a","a"],"colour":1},"mapping":{"a":{"fields":{"x":{"from":7}}}}}`
	svc := definition.New(definition.Options{Kinds: source.NewRegistry(source.Kind{
		Name: "table", Check: func(source.Datasource) []fault.Detail { return []fault.Detail{{Path: "url", Message: "is required"}} },
	})})
	_, err := svc.Decode([]byte(body))
	var e *fault.Error
	require.ErrorAs(t, err, &e)
	paths := make([]string, len(e.Details))
	for i, d := range e.Details {
		paths[i] = d.Path
	}
	require.Equal(t, []string{
		"orgld", "isOneTime", "datasource.colour", "mapping.a.fields.x.from",
		"orgId", "type", "frequency", "datasource.url", "datasource.selectedDatatypes[1]", "mapping.a.fields.x",
	}, paths, err)
	_, err = svc.Decode([]byte(`{"orgId"`))
	require.ErrorAs(t, err, &e)
	require.Len(t, e.Details, 1, "the rest of the text cannot be read")
}

// The examples of DataCollect's document are definitions as they are, and with the member
// externalSync around them. What a sync has besides may stand beside it.
func TestDataCollectsConfigurations(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"type":"mock-sync-server","url":"http://localhost:3000/mock-sync","extraFields":[{"name":"batchSize","value":"25"},{"name":"retryAttempts","value":"3"}]}`,
		`{"type":"openfn-adapter","auth":"api-key","url":"https://api.openfn.org/workflow/trigger/def456","extraFields":[{"name":"apiKey","value":"sk_prod_abcdef123456"}]}`,
		`{"type":"mock-sync-server","url":"http://localhost:3000/mock-sync","extraFields":[]}`,
	} {
		bare, err := definition.Decode([]byte(body))
		require.NoError(t, err, body)
		for _, form := range []string{`{"externalSync":` + body + `}`, `{"data":` + body + `}`, `{"data":{"externalSync":` + body + `}}`} {
			wrapped, err := definition.Decode([]byte(form))
			require.NoError(t, err, form)
			require.Equal(t, bare, wrapped)
		}
		require.Equal(t, "default", bare.OrgID)
		require.Equal(t, definition.Both, bare.Type)
		require.Contains(t, []string{"mock-sync-server", "openfn-adapter"}, bare.Datasource.Type)
	}
	s, err := definition.Decode([]byte(`{"id":"s","type":"push","overlap":"72h","conflict":"store","maxDeletes":0,
		"mapping":{"event":{"fields":{"type":{"from":"type"}}}},"externalSync":{"type":"mock-sync-server","url":"http://localhost"}}`))
	require.NoError(t, err)
	require.Equal(t, definition.Push, s.Type)
	require.Equal(t, definition.StoreWins, s.Conflict)
	require.Equal(t, "72h", s.Mapping["event"].Cursor.Overlap)
	require.Equal(t, "timestamp", s.Mapping["event"].Cursor.Time)
	require.Equal(t, "type", s.Mapping["event"].Fields["type"].From)
	bare, err := definition.Decode([]byte(`{"overlap":"72h","type":"mock-sync-server","url":"http://localhost","extraFields":[]}`))
	require.NoError(t, err)
	require.Equal(t, "72h", bare.Mapping["event"].Cursor.Overlap)
}

// A custom type's syncInterval is when the sync is due.
func TestSyncInterval(t *testing.T) {
	t.Parallel()
	for ms, want := range map[string]string{
		"300000": "*/5 * * * *", "60000": "*/1 * * * *", "3600000": "0 */1 * * *", "43200000": "0 */12 * * *", "86400000": "0 0 * * *",
		"5000": "", "420000": "", "18000000": "", "-300000": "", "90000": "", "x": "", "9999999999999999999": "",
	} {
		s, err := definition.Decode([]byte(`{"type":"custom-adapter","auth":"basic","url":"https://your-system.com/api/sync","extraFields":[
			{"name":"username","value":"u"},{"name":"database","value":"production_db"},{"name":"syncInterval","value":"` + ms + `"}]}`))
		if want == "" {
			require.ErrorContains(t, err, "extraFields[2].value: syncInterval must be", ms)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, s.Frequency)
		s, err = definition.Decode([]byte(`{"frequency":"daily","externalSync":{"type":"x","url":"https://x","extraFields":[{"name":"syncInterval","value":"` + ms + `"}]}}`))
		require.NoError(t, err)
		require.Equal(t, "daily", s.Frequency)
	}
}
