//! Models on WebGPU: plans become programs of `model::webgpu`, one submission per run.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use model::webgpu::Program;
use model::{Plan, Source};
use wire::{DType, Fault, Profile, TensorHeader};

use crate::backend::{Backend, File, LocalFuture, Session, Tuned};
use crate::fault::no_profile;
use crate::kept::{self, Carried};
use crate::planned::{self, Planned};
use crate::tensor::Tensor;
use crate::value::Contract;
use crate::web::promise::meanwhile;

use self::choices::Measured;
use self::device::Device;
use self::executable::{Executable, Input, Output};
use self::weights::Weights;

mod buffer;
mod choices;
mod device;
mod executable;
mod fault;
mod settings;
mod tune;
mod weights;

/// Length of open dimensions for which shaders are compiled when a model is loaded: below it products have narrower tiles.
const USUAL_LENGTH: usize = 8;

/// The WebGPU backend: one device for all models of a worker.
#[derive(Default)]
pub(crate) struct WebgpuBackend {
    devices: Rc<Devices>,
}

/// The device in use.
#[derive(Default)]
struct Devices {
    current: RefCell<Option<Rc<Device>>>,
}

impl Devices {
    /// The device, or a new one when there is none or the last was lost.
    async fn get(&self) -> Result<Rc<Device>, Fault> {
        if let Some(device) = self.working() {
            return Ok(device);
        }
        let device = Device::request().await?;
        // Loads that overlap all ask, and share the first that comes.
        if let Some(other) = self.working() {
            return Ok(other);
        }
        *self.current.borrow_mut() = Some(Rc::clone(&device));
        Ok(device)
    }

    fn working(&self) -> Option<Rc<Device>> {
        self.current.borrow().clone().filter(|device| !device.is_lost())
    }
}

impl Backend for WebgpuBackend {
    fn kind(&self) -> wire::Backend {
        wire::Backend::Webgpu
    }

    fn detail(&self) -> String {
        let device = self.devices.current.borrow();
        device.as_ref().map_or_else(|| "webgpu without a device".to_owned(), |device| device.detail())
    }

    fn load(&self, file: File) -> LocalFuture<'_, Result<Box<dyn Session>, Fault>> {
        let devices = Rc::clone(&self.devices);
        Box::pin(async move {
            let session = WebgpuSession::load(Arc::from(file), devices).await?;
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }
}

/// One model with its weights on the device.
struct WebgpuSession {
    planned: Planned<Executable>,
    devices: Rc<Devices>,
    resident: RefCell<Resident>,
}

/// What a session has on a device.
struct Resident {
    device: Rc<Device>,
    weights: Rc<Weights>,
}

impl WebgpuSession {
    async fn load(file: Arc<dyn Source>, devices: Rc<Devices>) -> Result<Self, Fault> {
        // The model is read and planned while the browser looks for an adapter.
        let read = || {
            let (planned, plan) = Planned::load_stored(&file)?;
            // Where shapes are open the usual plan is one for small inputs: it has most of its shaders in common with those for
            // larger ones, and all of its weights.
            let usual = if planned.is_fixed() { None } else { planned.plan_for_length(USUAL_LENGTH) };
            Ok((planned, usual.or(plan)))
        };
        let (device, planned) = meanwhile(devices.get(), read).await;
        let ((planned, plan), device) = (planned?, device?);
        let weights = Rc::<Weights>::default();
        if let Some(plan) = plan {
            let program = Program::new(&plan, &device.target()).map_err(|error| fault::lowering(&error))?;
            // Shaders compile while weights are uploaded and the caller gets its first input ready.
            device.compile(&program.shaders);
            weights.upload(&device, &program).await?;
        }
        Ok(Self { planned, devices, resident: RefCell::new(Resident { device, weights }) })
    }

    /// The device that holds the model: after a loss a new one, which gets everything again.
    async fn device(&self) -> Result<Rc<Device>, Fault> {
        let device = self.devices.get().await?;
        let mut resident = self.resident.borrow_mut();
        if !Rc::ptr_eq(&resident.device, &device) {
            self.planned.forget();
            *resident = Resident { device: Rc::clone(&device), weights: Rc::default() };
        }
        Ok(device)
    }

    async fn prepare(&self, device: &Rc<Device>, plan: Plan) -> Result<Executable, Fault> {
        let program = Program::new(&plan, &device.target()).map_err(|error| fault::lowering(&error))?;
        device.compile(&program.shaders);
        // Those of the device that the session had when it began to prepare.
        let weights = Rc::clone(&self.resident.borrow().weights);
        weights.upload(device, &program).await?;
        let pipelines = device.pipelines(&program.shaders).await?;
        device.watched(|| Executable::new(device, program, &pipelines, &weights)).await
    }

    /// What runs these inputs, and the inputs as it takes them.
    async fn executable(&self, inputs: Vec<Carried>) -> Result<(Rc<Executable>, Vec<Input>), Fault> {
        let device = self.device().await?;
        let inputs = self.inputs(inputs)?;
        let prepare = async |plan| self.prepare(&device, plan).await;
        Ok((self.planned.prepared(&inputs, prepare).await?, inputs))
    }

    /// The caller's checked values in the order of the plan's inputs.
    fn inputs(&self, mut values: Vec<Carried>) -> Result<Vec<Input>, Fault> {
        let mut inputs = Vec::with_capacity(values.len());
        for declared in &self.contract().inputs {
            // A missing input is refused by the plan.
            let position = values.iter().position(|value| value.header().name == declared.name);
            inputs.push(match position.map(|index| values.swap_remove(index)) {
                Some(Carried::Here(tensor)) => Input::Here(planned::operand(tensor)?),
                Some(Carried::Kept { content, .. }) => {
                    let kept = content.downcast().map_err(|_other| kept::elsewhere(&declared.name))?;
                    Input::Kept(kept)
                }
                None => continue,
            });
        }
        Ok(inputs)
    }

    async fn compute(
        &self,
        inputs: Vec<Carried>,
        wanted: &[&str],
        kept: &[&str],
    ) -> Result<Vec<Carried>, Fault> {
        let (executable, inputs) = self.executable(inputs).await?;
        // From here to the submission nothing waits, so that runs in flight cannot mix.
        let outputs = executable.run(&inputs, wanted, kept)?.await?;
        let value = |(name, output): (&&str, Output)| match output {
            Output::Here(tensor) => Carried::Here(planned::output(name, tensor)),
            Output::Kept(kept) => {
                let dtype = self.contract().output(name).map_or(DType::Float32, |output| output.dtype);
                let header = TensorHeader { name: (*name).to_owned(), dtype, dims: kept.dims() };
                Carried::Kept { header, content: Rc::new(kept) }
            }
        };
        Ok(wanted.iter().zip(outputs).map(value).collect())
    }
}

impl Session for WebgpuSession {
    fn contract(&self) -> &Contract {
        self.planned.contract()
    }

    fn run<'a>(
        &'a self,
        inputs: Vec<Tensor>,
        wanted: &'a [&'a str],
    ) -> LocalFuture<'a, Result<Vec<Tensor>, Fault>> {
        Box::pin(async move {
            let inputs = inputs.into_iter().map(Carried::Here).collect();
            self.compute(inputs, wanted, &[]).await?.into_iter().map(Carried::here).collect()
        })
    }

    fn run_values<'a>(
        &'a self,
        inputs: Vec<Carried>,
        wanted: &'a [&'a str],
        kept: &'a [&'a str],
    ) -> LocalFuture<'a, Result<Vec<Carried>, Fault>> {
        Box::pin(self.compute(inputs, wanted, kept))
    }

    fn profile(&self, inputs: Vec<Tensor>) -> LocalFuture<'_, Result<Profile, Fault>> {
        Box::pin(async move {
            let inputs = inputs.into_iter().map(Carried::Here).collect();
            let (executable, inputs) = self.executable(inputs).await?;
            if !executable.device().has_timestamps() {
                return Err(no_profile());
            }
            // The first run of a kernel may include its compilation.
            executable.profile(&inputs).await?;
            executable.profile(&inputs).await
        })
    }

    fn tune(&self, inputs: Vec<Tensor>, budget_millis: u32) -> LocalFuture<'_, Result<Tuned, Fault>> {
        Box::pin(async move {
            let inputs = inputs.into_iter().map(Carried::Here).collect();
            let (executable, _) = self.executable(inputs).await?;
            let device = executable.device();
            let trials = tune::tune(device, executable.tunables(), budget_millis).await?;
            let chosen = trials.iter().filter(|trial| trial.is_chosen);
            let chosen: Measured = chosen.map(|trial| (trial.key.clone(), trial.variant.clone())).collect();
            device.choices().measured.extend(choices::variants(&chosen));
            // Programs that were made before have the old variants.
            self.planned.forget();
            let is_kept = choices::keep(device.adapter(), chosen).await;
            Ok(Tuned { adapter: device.adapter().clone(), trials, is_kept })
        })
    }
}
