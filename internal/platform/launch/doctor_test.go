package launch

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/doctor"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/store/sqlitestore"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// Each error of a store that an operator can do something about has the command that does it.
func TestStoreAdvice(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	cloud := Settings{Platform: hosting.Machine, Store: Firestore, Project: "p-1", Database: "gate"}
	local := Settings{Platform: hosting.Machine, Store: SQLite, Data: "d"}
	for _, c := range []struct {
		settings  Settings
		err       error
		says, fix string
	}{
		{cloud, status.Error(codes.PermissionDenied, "Cloud Firestore API has not been used in project p-1 before or it is disabled"), "is not enabled", "gcloud services enable firestore.googleapis.com --project=p-1"},
		{cloud, status.Error(codes.PermissionDenied, "Missing or insufficient permissions."), "may not write to the database gate", `gcloud projects add-iam-policy-binding p-1 --member="user:${ACCOUNT:?set it to the address of the person whose credentials these are}" --role=roles/datastore.user --condition=None`},
		{cloud, status.Error(codes.NotFound, "The database gate does not exist for project p-1"), "there is no database gate", `gcloud firestore databases create --database=gate --project=p-1 --location="${REGION:?set it to where the database shall be, such as europe-west3}"`},
		{Settings{Store: Firestore, Project: "p-1"}, status.Error(codes.NotFound, "The database (default) does not exist"), "there is no database (default)", `gcloud firestore databases create --database='(default)' --project=p-1 --location="${REGION:?set it to where the database shall be, such as europe-west3}"`},
		{cloud, status.Error(codes.Unauthenticated, "x"), "no valid credentials", "gcloud auth application-default login"},
		{cloud, status.Error(codes.Unavailable, "x"), "", ""},
		{local, sqlitestore.ErrReadOnly, "nothing can be written to d", "chmod -R u+rwX d"},
		{local, sqlitestore.ErrFull, "is full", "df -h d"},
		{local, sqlitestore.ErrDamaged, "is damaged", "headgate restore FILE --data d"},
		{local, errors.New("something else"), "", ""},
	} {
		sentence, fix := c.settings.storeAdvice(fmt.Errorf("commit: %w", c.err))
		require.Contains(t, sentence, c.says)
		require.Equal(t, c.fix, fix)
	}
}

// A deployment that cannot be opened is a report as well.
func TestRefusal(t *testing.T) {
	t.Parallel()
	for text, fix := range map[string]string{
		"credentials: could not find default credentials": "gcloud auth application-default login",
		"no Google Cloud project is known":                `export GOOGLE_CLOUD_PROJECT="${PROJECT:?set it to the id of the project}"`,
		"something\nelse":                                 "",
	} {
		r := Settings{Platform: hosting.Machine, Store: Firestore}.Refusal(errors.New(text))
		require.Equal(t, doctor.Error, r.State)
		require.Equal(t, fix, r.Findings[0].Fix)
		require.NotContains(t, r.Findings[0].Text, "\n")
	}
}

// A credential that cannot be resolved has a stand-in that nobody can guess, so that the
// examination begins; the examination itself learns that it is missing.
func TestExaminesWithoutCredentials(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(`{"echo": {"secrets": ["env:HEADGATE_TEST_OF_NO_SUCH_VARIABLE"]}}`))
	require.NoError(t, err)
	s := Settings{Platform: hosting.Machine, Store: SQLite, Bus: Local, Data: filepath.Join(t.TempDir(), "data"), Examines: true}
	resolve, err := configured(cfg)
	require.NoError(t, err)
	one, err := lenient(resolve)(t.Context(), cfg.Echo.Secrets[0])
	require.NoError(t, err)
	other, err := lenient(resolve)(t.Context(), cfg.Echo.Secrets[0])
	require.NoError(t, err)
	require.NotEqual(t, one, other)
	require.NoError(t, signature.CheckSecret(one))
	_, _, err = openStore(t.Context(), s, cfg)
	require.NoError(t, err)
	require.NoDirExists(t, s.Data, "an examination makes no store")
}

// Commands name the place where they work.
func TestHeadgateCommands(t *testing.T) {
	t.Parallel()
	local := place(Settings{Platform: hosting.Machine, Store: SQLite, Data: "d", ConfigFile: "gate.json", Program: "go run ."}, &config.Config{})
	require.Equal(t, "go run . serve --config gate.json --data d", local.Headgate("serve"))
	require.Equal(t, "go run . replay m1 --data d", local.Headgate("replay", "m1"))
	require.True(t, local.Background)
	require.Nil(t, local.Google)
	cfg := &config.Config{Deployment: config.Deployment{PublicURL: "https://gate.example.com/"}}
	cloud := place(Settings{Platform: hosting.Machine, Store: Firestore, Bus: PubSub, Project: "p-1", Examines: true}, cfg)
	require.Equal(t, "headgate replay m1 --url https://gate.example.com", cloud.Headgate("replay", "m1"))
	require.False(t, cloud.Background, "services in the cloud do the periodic work")
	require.NotNil(t, cloud.Google)
	require.Equal(t, "(default)", cloud.Database)
	require.Contains(t, cloud.Groups, "headgate-events")
	emulated := place(Settings{Platform: hosting.Machine, Store: Firestore, Bus: PubSub, FirestoreEmulator: true, PubSubEmulator: true, pubsubHost: "127.0.0.1:8085"}, &config.Config{})
	require.Nil(t, emulated.Google)
	require.Equal(t, "127.0.0.1:8085", emulated.PubSubEmulator)
	require.True(t, emulated.Background)
}
