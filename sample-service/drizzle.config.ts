import { defineConfig } from 'drizzle-kit'

/** `npm run db:generate` compares the schemas with the last snapshot in drizzle/; it needs no database. */
export default defineConfig({
  dialect: 'postgresql',
  schema: './src/*/*.schema.ts',
  out: './drizzle',
})
