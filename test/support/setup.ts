import { afterAll } from 'vitest';
import { removeTemporaryFolders } from './files';

// Registered for each test file before it runs, as a hook that is registered while a test runs is not called.
afterAll(removeTemporaryFolders);
