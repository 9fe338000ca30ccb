// An MCP client of an unmodified SDK, for peer_mcp_test.go: the npm package $SDK, which
// authenticates by client credentials as $CLIENT_ID with $SECRET, or with the private key
// in the file $KEY ($ALG), and asks for $SCOPE, if that is set. All it knows of the server is $URL. It calls the tool whoami, and prints
// what that says and which requests it took, as JSON. NODE_EXTRA_CA_CERTS has the CA.
import { readFileSync } from 'node:fs';

const v1 = process.env.SDK === '@modelcontextprotocol/sdk';
const from = async (...paths) => Object.assign({}, ...(await Promise.all(paths.map((path) => import(path)))));
const { Client, StreamableHTTPClientTransport, ClientCredentialsProvider, PrivateKeyJwtProvider } = v1
  ? await from(
      '@modelcontextprotocol/sdk/client/index.js',
      '@modelcontextprotocol/sdk/client/streamableHttp.js',
      '@modelcontextprotocol/sdk/client/auth-extensions.js',
    )
  : await from(process.env.SDK);

const { URL: url, ISSUER, CLIENT_ID, SECRET, KEY, ALG, SCOPE } = process.env;
const requests = [];
const watched = async (input, init) => {
  const response = await fetch(input, init);
  requests.push(`${init?.method ?? 'GET'} ${new URL(input.url ?? input).pathname} ${response.status}`);
  return response;
};

const said = {};
try {
  const known = { clientId: CLIENT_ID, scope: SCOPE, expectedIssuer: ISSUER };
  const authProvider = KEY
    ? new PrivateKeyJwtProvider({ ...known, privateKey: new Uint8Array(readFileSync(KEY)), algorithm: ALG })
    : new ClientCredentialsProvider({ ...known, clientSecret: SECRET });
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider, fetch: watched });
  const client = new Client({ name: 'peer', version: '1' });
  await client.connect(transport);
  said.tools = (await client.listTools()).tools.map((tool) => tool.name);
  said.text = (await client.callTool({ name: 'whoami' })).content[0].text;
  said.scope = (await authProvider.tokens()).scope;
  await transport.terminateSession();
  await client.close();
} catch (error) {
  said.error = `${error.name}: ${error.message}`;
}
console.log(JSON.stringify({ ...said, requests }));
process.exit(0);
