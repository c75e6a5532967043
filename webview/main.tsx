import { render } from 'preact';
import './styles/index.css';
import { App } from './App';
import { Analyses } from './analyses';
import { AppContext } from './context';
import { connect, openModel } from './host';
import { Store } from './store';

const root = document.getElementById('root');
if (root) {
  const store = new Store();
  const host = connect(store);
  const analyses = new Analyses((tensor, options) => host.call('analyse', { tensor }, options));
  render(
    <AppContext.Provider value={{ store, host, analyses }}>
      <App />
    </AppContext.Provider>,
    root,
  );
  void openModel(store, host); // never rejects: a failure is what the page shows
}
