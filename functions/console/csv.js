// @ts-check
// What the console writes as CSV.

/**
 * A cell of CSV. What a spreadsheet would take for a formula gets a quote before it: at the
 * beginning, and behind each character at which a spreadsheet may begin a cell, as those do
 * whose language separates cells by semicolons. A number is none. @param {any} value
 */
export function cell(value) {
  if (value === undefined || value === null) return "";
  let text = typeof value === "object" ? JSON.stringify(value) : String(value);
  if (!/^[+-]?\d+([.,]\d+)?$/.test(text)) text = text.replace(/^(?= *[=+\-@\t\r＝＋－＠])/, "'").replace(/[;\t\r\n](?=[" ]*[=+\-@＝＋－＠])/g, "$&'");
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
