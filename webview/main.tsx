import { render } from 'preact';
import './styles/index.css';
import { App } from './App';
import { AppContext } from './context';
import { connect } from './host';
import { Store } from './store';

const root = document.getElementById('root');
if (root) {
  const store = new Store();
  const host = connect(store);
  render(
    <AppContext.Provider value={{ store, host }}>
      <App />
    </AppContext.Provider>,
    root,
  );
}
