// @ts-check
// Who is signed in.

import { get } from "./api.js";
import { el, said, set } from "./ui.js";

/** Shows beside the state of the connection who is signed in, and with which roles. Without auth nobody is. */
export async function showCaller() {
  const place = document.getElementById("caller") ?? el("p", { id: "caller", class: "soft" });
  const me = await get("whoami").catch(() => ({ name: "", roles: [] }));
  set(place, me.name && said(me.name), me.name && ` (${me.roles.join(", ") || "no roles"})`);
  document.getElementById("connection")?.after(place);
}
