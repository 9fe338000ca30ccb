// Opens FILE as an editor does, with the YAML language server, and prints the mistakes
// that it marks and what it says about the word at LINE and CHARACTER.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { spawn } from 'node:child_process';

const require = createRequire(createRequire(import.meta.url).resolve('yaml-language-server/package.json'));
const { createMessageConnection, StreamMessageReader, StreamMessageWriter } = require('vscode-jsonrpc/node');

const server = spawn(process.execPath, ['node_modules/yaml-language-server/bin/yaml-language-server', '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] });
const connection = createMessageConnection(new StreamMessageReader(server.stdout), new StreamMessageWriter(server.stdin));
const uri = pathToFileURL(process.env.FILE).href;

const marked = new Promise((resolve) => connection.onNotification('textDocument/publishDiagnostics', (d) => d.uri === uri && resolve(d.diagnostics)));
const settings = { yaml: { validate: true, hover: true, schemaStore: { enable: false } }, http: {}, '[yaml]': {}, editor: {}, files: {} };
connection.onRequest('workspace/configuration', ({ items }) => items.map(({ section }) => settings[section] ?? {}));
connection.onRequest('client/registerCapability', () => null);
connection.listen();

await connection.sendRequest('initialize', {
  processId: process.pid, rootUri: null, workspaceFolders: null,
  capabilities: { workspace: { configuration: true }, textDocument: { publishDiagnostics: {}, hover: {} } },
});
await connection.sendNotification('initialized', {});
await connection.sendNotification('workspace/didChangeConfiguration', { settings });
await connection.sendNotification('textDocument/didOpen', {
  textDocument: { uri, languageId: 'yaml', version: 1, text: readFileSync(process.env.FILE, 'utf8') },
});
const mistakes = (await marked).map((d) => ({ line: d.range.start.line + 1, message: d.message }));
const position = { line: Number(process.env.LINE) - 1, character: Number(process.env.CHARACTER) };
const hover = await connection.sendRequest('textDocument/hover', { textDocument: { uri }, position });

console.log(JSON.stringify({ mistakes, hover: hover?.contents?.value ?? '' }));
await connection.sendRequest('shutdown');
await connection.sendNotification('exit');
connection.end();
