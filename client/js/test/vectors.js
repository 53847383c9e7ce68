// The test vectors that the server's tests write: go test ./functions -run TestClientVectors.
import { readFileSync } from "node:fs";

export const vectors = JSON.parse(readFileSync(new URL("../../vectors.json", import.meta.url), "utf8"));
