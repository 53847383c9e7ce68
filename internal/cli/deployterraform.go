package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/deploy/terraform"
)

func newDeployTerraform(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "terraform", Short: "Write a Terraform module",
		Long: `Write a Terraform module, in JSON, that OpenTofu reads as well. It needs the configuration
beside it, as config.json: --out writes both. The module makes no image: give it one with
--image, or as its variable.`,
		Example: `  $ headgate deploy terraform --config gate.json | head
  $ headgate deploy terraform --config gate.json --region europe-west3 --image IMAGE --out infra`,
		Args: noOperands,
	}
	d := deployerOf(p, cmd)
	out := cmd.Flags().String("out", "", "write headgate.tf.json and config.json to this `DIRECTORY`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("out") && *out == "" {
			return wrongUsage("--out is empty")
		}
		plan, text, err := d.plan()
		if err != nil {
			return err
		}
		module := terraform.Write(plan)
		if *out == "" {
			_, err = p.Stdout.Write(module)
			return err
		}
		if err := os.MkdirAll(*out, 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(*out, "config.json"), text, 0o600); err != nil { // it may have credentials
			return err
		}
		if err := os.WriteFile(filepath.Join(*out, "headgate.tf.json"), module, 0o600); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.Stdout, "The module is in %s: terraform init, then terraform apply.\n", *out)
		return err
	}
	return cmd
}
