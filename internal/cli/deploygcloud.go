package cli

import (
	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/deploy/gcloud"
)

func newDeployGcloud(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "gcloud", Short: "Write a script with the commands of gcloud",
		Long: `Write a script for bash, with the commands of gcloud, that can be run again: it makes what
is missing, and updates what there is. Without --image, Cloud Build makes the image of the
sources when the script is run.`,
		Example: `  $ headgate deploy gcloud --config gate.json > deploy.sh
  $ headgate deploy gcloud --config gate.json --split --image IMAGE > deploy.sh`,
		Args: noOperands,
	}
	d := deployerOf(p, cmd)
	cmd.Flags().StringVar(&d.Source, "source", "", "build the image of the sources in this `DIRECTORY` (default .)")
	cmd.RunE = func(*cobra.Command, []string) error {
		if d.Split && d.Image == "" {
			return wrongUsage("--split needs --image: one image for all services")
		}
		plan, _, err := d.plan()
		if err != nil {
			return err
		}
		_, err = p.Stdout.Write(gcloud.Write(plan, d.file))
		return err
	}
	return cmd
}
