// An MCP server of the npm package @modelcontextprotocol/sdk, for peer_mcp_test.go. It
// speaks Streamable HTTP at http://localhost:$PORT/, with sessions, and has one tool,
// which says who calls by the header that a gateway sets. It ends with its input.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

const sessions = new Map();

const open = async () => {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => sessions.set(id, transport),
  });
  const server = new McpServer({ name: 'orders', version: '1' });
  server.registerTool('whoami', { description: 'Says who calls' }, ({ requestInfo }) => ({
    content: [{ type: 'text', text: `you are ${requestInfo.headers['x-client-id']}, with ${requestInfo.headers.authorization ?? 'no token'}` }],
  }));
  await server.connect(transport);
  return transport;
};

const server = createServer(async (request, response) => {
  const transport = sessions.get(request.headers['mcp-session-id']) ?? (await open());
  await transport.handleRequest(request, response);
});
server.listen(Number(process.env.PORT), 'localhost', () => console.log('ready'));
process.stdin.resume().on('end', () => process.exit(0));
