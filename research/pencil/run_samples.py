import sys, time, numpy as np
from compare import cases
from pencil.model import model_of
from pencil.samples import draw, sample_spectrum
name=sys.argv[1]; na=int(sys.argv[2]); draws=int(sys.argv[3]); xs=[float(x) for x in sys.argv[4:]]
m=model_of(cases()[name]['setting'],na); rng=np.random.default_rng(1); E=[];X=[];PL=[]
for i in range(draws):
    t=time.time(); s=sample_spectrum(m,draw(m,rng)); 
    E.append(s.edge); X.append([s.expected_above(x) for x in xs]); PL.append(np.pad(s.places[:6],(0,max(0,6-s.places.size)),constant_values=np.nan))
    print(i, f'edge {s.edge:.4f}', 'n', s.places.size, 'places', np.round(s.places[:8],3), 'sd', np.round(s.scatter[:4],3), np.round(X[-1],2), f'{time.time()-t:.1f}s', flush=True)
print('mean edge',np.mean(E),'beyond',np.mean(X,0),'se',np.std(X,0)/max(1,draws-1)**.5, 'mean ordered', np.round(np.nanmean(PL,0),3))
